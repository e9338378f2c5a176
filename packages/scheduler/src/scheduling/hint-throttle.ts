import type { Core } from '../core.ts'
import type { Timer } from '../runtime/clock.ts'
import type { NewJob } from '../store/new-job.ts'

/** NOTIFY takes a lock over the whole server at commit; one per this many milliseconds is as good as one per job. */
const WINDOW_MS = 10
/** A process's clock may be wrong by this much; a job further away than that is not soon by any clock. */
const WORST_CLOCK_MS = 86_400_000

/**
 * At most one hint per window, at its leading edge (inside the statement that stores the job) and, if more came, at its
 * trailing edge, so that the last job of a burst is never left to polling.
 */
export class HintThrottle {
  readonly #core: Core
  #timer: Timer | undefined
  #more = false
  #stopped = false

  constructor(core: Core) {
    this.#core = core
  }

  /** Jobs due within this time may be slept past by a runner that is not told; later ones are found by polling. */
  get soonMs(): number {
    return 2 * this.#core.options.pollIntervalMs
  }

  /**
   * What the statement that stores these jobs shall hint at: the database compares with its own clock. Null: no hint;
   * if one was due nevertheless it follows at the end of the window.
   */
  windowFor(jobs: readonly NewJob[]): number | null {
    if (!jobs.some(job => this.#maySoonBeDue(job))) return null
    // A call may outlive the stop: it tells by itself, and leaves no timer behind.
    if (this.#stopped) return this.soonMs
    if (this.#timer) {
      this.#more = true
      return null
    }
    this.#timer = this.#core.clock.setTimer(WINDOW_MS, () => this.#windowEnds())
    return this.soonMs
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #maySoonBeDue({ claim, scheduledTime, delayMs }: NewJob): boolean {
    if (claim) return false
    if (scheduledTime === null) return delayMs < this.soonMs
    return Date.parse(scheduledTime) - this.#core.clock.now().getTime() < this.soonMs + WORST_CLOCK_MS
  }

  #windowEnds(): void {
    this.#timer = undefined
    if (!this.#more) return
    this.#more = false
    const { database, tables, events } = this.#core
    database
      .query('select pg_notify($1::text, $2::text)', [tables.channel, 'due'])
      .catch((error: unknown) => events.emit('database:error', { during: 'hint', error }))
  }
}
