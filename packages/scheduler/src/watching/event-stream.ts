import type { Core } from '../core.ts'
import { BelfryError, show } from '../errors.ts'
import { requireJobType } from '../job/job-type.ts'
import type { Timer } from '../runtime/clock.ts'
import { notifyAll } from '../store/notify-all.ts'
import { WATCH_MS } from './event-publisher.ts'
import { unpackEvents, WATCHED_EVENTS, type WatchedEvent, type WatchedEventName } from './watched-event.ts'

/** Which events to be told of. Default: all. */
export interface WatchOptions {
  jobType?: string
  jobId?: string
  events?: readonly WatchedEventName[]
}

/** Events of all processes, for `for await`; leaving the loop ends it. */
export interface EventStream extends AsyncIterableIterator<WatchedEvent, undefined> {
  /** Events that were not told, because there were too many of them at once or they were read too slowly. */
  readonly dropped: number
  /** Ends the stream; a loop over it ends after what has arrived. */
  close(): Promise<void>
}

/** Unread events of one stream. */
const MOST_UNREAD = 1_000

/** The streams of one scheduler; they share a connection that listens. */
export class Watching {
  readonly #core: Core
  readonly #streams = new Set<Stream>()
  #opening: Promise<() => Promise<void>> | undefined
  #announcing: Timer | undefined
  #stopped = false

  constructor(core: Core) {
    this.#core = core
  }

  /**
   * Resolves once this process hears events and the others were told so.
   * @throws BelfryError `BELFRY_SHUTDOWN` after a stop
   */
  async watch(options: WatchOptions = {}): Promise<EventStream> {
    const fits = filterOf(options)
    if (this.#stopped) throw new BelfryError('BELFRY_SHUTDOWN', 'watch: this scheduler was stopped')
    const stream = new Stream(fits, () => this.#leave(stream))
    this.#streams.add(stream)
    try {
      await (this.#opening ??= this.#open())
      return stream
    } catch (error) {
      this.#streams.delete(stream)
      this.#opening = undefined
      throw error
    }
  }

  /** Ends every stream, for good. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all([...this.#streams].map(each => each.close()))
  }

  async #open(): Promise<() => Promise<void>> {
    const { database, tables } = this.#core
    const announce = () => void this.#announce().catch(() => {})
    const unlisten = await database.listen(tables.eventChannel, message => this.#hear(message), announce)
    try {
      await this.#announce()
    } catch (error) {
      await unlisten()
      throw error
    }
    return unlisten
  }

  async #announce(): Promise<void> {
    const { database, tables, clock, events } = this.#core
    this.#announcing?.cancel()
    this.#announcing = clock.setTimer(WATCH_MS / 3, () => {
      this.#announce().catch((error: unknown) => events.emit('database:error', { during: 'watch', error }))
    })
    await notifyAll(database, tables.channel, ['watch'])
  }

  #hear(message: string): void {
    const told = unpackEvents(message)
    for (const stream of told ? this.#streams : []) stream.tell(told?.events ?? [], told?.dropped ?? 0)
  }

  async #leave(stream: Stream): Promise<void> {
    this.#streams.delete(stream)
    if (this.#streams.size > 0) return
    const opening = this.#opening
    this.#opening = undefined
    this.#announcing?.cancel()
    const unlisten = await opening?.catch(() => undefined)
    await unlisten?.()
    // What was still opening has announced itself meanwhile.
    if (this.#streams.size === 0) this.#announcing?.cancel()
  }
}

class Stream implements EventStream {
  readonly #fits: (event: WatchedEvent) => boolean
  readonly #onClose: () => Promise<void>
  readonly #unread: WatchedEvent[] = []
  readonly #readers: ((result: IteratorResult<WatchedEvent, undefined>) => void)[] = []
  #dropped = 0
  #closed: Promise<void> | undefined

  constructor(fits: (event: WatchedEvent) => boolean, onClose: () => Promise<void>) {
    this.#fits = fits
    this.#onClose = onClose
  }

  get dropped(): number {
    return this.#dropped
  }

  tell(events: readonly WatchedEvent[], dropped: number): void {
    this.#dropped += dropped
    for (const value of events.filter(this.#fits)) {
      const reader = this.#readers.shift()
      if (reader) reader({ done: false, value })
      else if (this.#unread.length < MOST_UNREAD) this.#unread.push(value)
      else this.#dropped += 1
    }
  }

  next(): Promise<IteratorResult<WatchedEvent, undefined>> {
    const value = this.#unread.shift()
    if (value) return Promise.resolve({ done: false, value })
    if (this.#closed) return Promise.resolve({ done: true, value: undefined })
    return new Promise(resolve => this.#readers.push(resolve))
  }

  async return(): Promise<IteratorResult<WatchedEvent, undefined>> {
    await this.close()
    return { done: true, value: undefined }
  }

  close(): Promise<void> {
    this.#closed ??= this.#onClose()
    for (const reader of this.#readers.splice(0)) reader({ done: true, value: undefined })
    return this.#closed
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

function filterOf({ jobType, jobId, events }: WatchOptions): (event: WatchedEvent) => boolean {
  if (jobType !== undefined) requireJobType(jobType)
  const unknown = events?.find(each => !WATCHED_EVENTS.includes(each))
  if (unknown !== undefined) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `events: expected ${WATCHED_EVENTS.join(', ')}, got ${show(unknown)}`,
    )
  }
  return event =>
    (jobType === undefined || event.jobType === jobType) &&
    (jobId === undefined || event.jobId === jobId) &&
    (events === undefined || events.includes(event.event))
}
