import type { Core } from '../core.ts'
import type { Timer } from '../runtime/clock.ts'

/** NOTIFY takes a lock over the whole server at commit; one per this many milliseconds is as good as one per job. */
const WINDOW_MS = 10

/**
 * At most one hint per window, at its leading edge (inside the statement that stores the job) and, if more came, at its
 * trailing edge, so that the last job of a burst is never left to polling.
 */
export class HintThrottle {
  readonly #core: Core
  #timer: Timer | undefined
  #more = false

  constructor(core: Core) {
    this.#core = core
  }

  /** Whether the statement at hand shall carry a hint; if not, one follows at the end of the window. */
  take(): boolean {
    if (this.#timer) {
      this.#more = true
      return false
    }
    this.#timer = this.#core.clock.setTimer(WINDOW_MS, () => this.#windowEnds())
    return true
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
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
