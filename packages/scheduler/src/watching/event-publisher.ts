import { hostname } from 'node:os'
import type { Core } from '../core.ts'
import { recordError } from '../job/error-record.ts'
import type { Timer } from '../runtime/clock.ts'
import { notifyAll } from '../store/notify-all.ts'
import { LONGEST_ERROR, packEvents, type WatchedEvent } from './watched-event.ts'

/** Watchers say every third of this that they are there; so long after the last word nothing is published any more. */
export const WATCH_MS = 30_000
/** Events are gathered for so long, so that a busy process sends a few messages a second and not one per job. */
const GATHER_MS = 50
/** Some 50 events each: with the pause above at most about 8,000 events a second and process. The rest is counted. */
const MOST_MESSAGES = 8
/** As many as those messages could hold. */
const MOST_WAITING = 1_000

/** Distributive: each kind of event without what the publisher adds. */
type Told<Event> = Event extends WatchedEvent ? Omit<Event, 'at' | 'host' | 'processId'> : never

/** Tells watchers in other processes what happens in this one. While nobody watches it listens to nothing. */
export class EventPublisher {
  readonly #core: Core
  #stops: (() => void)[] = []
  #over: Timer | undefined
  #flush: Timer | undefined
  #sending: Promise<void> = Promise.resolve()
  #waiting: WatchedEvent[] = []
  #dropped = 0

  constructor(core: Core) {
    this.#core = core
  }

  /** Somebody watches, or still does. */
  watched(): void {
    this.#over?.cancel()
    this.#over = this.#core.clock.setTimer(WATCH_MS, () => this.#end())
    if (this.#stops.length > 0) return
    const { events } = this.#core
    this.#stops = [
      events.on('job:scheduled', each => this.#tell({ event: 'job:scheduled', ...each })),
      events.on('job:started', ({ jobId, jobType, attempt }) =>
        this.#tell({ event: 'job:started', jobId, jobType, attempt }),
      ),
      events.on('job:settled', ({ error, ...each }) =>
        this.#tell({ event: 'job:settled', ...each, error: messageOf(error) }),
      ),
      events.on('job:rescued', each => this.#tell({ event: 'job:rescued', ...each })),
    ]
  }

  /** Sends what was gathered, and leaves no timer behind. */
  async stop(): Promise<void> {
    this.#end()
    await this.#sending
  }

  #end(): void {
    this.#over?.cancel()
    for (const stop of this.#stops.splice(0)) stop()
    this.#flush?.cancel()
    if (this.#waiting.length > 0) this.#send()
  }

  #tell(told: Told<WatchedEvent>): void {
    if (this.#waiting.length >= MOST_WAITING) {
      this.#dropped += 1
      return
    }
    const about = { at: this.#core.clock.now(), host: hostname(), processId: process.pid }
    this.#waiting.push({ ...told, ...about })
    if (this.#waiting.length === 1) this.#flush = this.#core.clock.setTimer(GATHER_MS, () => this.#send())
  }

  /** One statement at a time: a database that is slow gets no queue of them, more is dropped instead. */
  #send(): void {
    this.#sending = this.#sending.then(async () => {
      const { database, tables, events } = this.#core
      const gathered = this.#waiting.splice(0)
      if (gathered.length === 0) return
      const messages = packEvents(gathered, MOST_MESSAGES, this.#dropped)
      this.#dropped = 0
      try {
        await notifyAll(database, tables.eventChannel, messages)
      } catch (error) {
        this.#dropped += gathered.length
        events.emit('database:error', { during: 'publish events', error })
      }
    })
  }
}

function messageOf(error: unknown): string | null {
  if (error === undefined || error === null) return null
  return recordError(error).message.slice(0, LONGEST_ERROR)
}
