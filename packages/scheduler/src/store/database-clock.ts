import type { Queryable } from '../database/database.ts'
import type { Clock } from '../runtime/clock.ts'
import { readNow } from './save-schedule.ts'

/** A process that slept, or whose clock was set, is wrong for no longer than this. */
const KEPT_MS = 5_000

/** The database's time, asked for at most once in a few seconds. */
export class DatabaseClock {
  readonly #clock: Clock
  #ahead: number | undefined
  #askedAt = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Milliseconds since 1970. */
  async now(queryable: Queryable): Promise<number> {
    const virtual = this.#clock.databaseNow()
    if (virtual) return virtual.getTime()
    const begun = this.#clock.monotonic()
    if (this.#ahead === undefined || begun - this.#askedAt > KEPT_MS) {
      const now = await readNow(queryable, null)
      const answered = this.#clock.monotonic()
      this.#ahead = now - (begun + answered) / 2
      this.#askedAt = answered
    }
    return this.#clock.monotonic() + this.#ahead
  }
}
