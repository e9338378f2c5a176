import type { Queryable } from '../database/database.ts'
import type { Clock } from '../runtime/clock.ts'
import { readNow } from './save-schedule.ts'

/** A process that slept, or whose clock was set, is wrong for no longer than this. */
const KEPT_MS = 5_000
/** A reading is late by its way back, and by all the time the process stood still meanwhile. */
const LONGEST_READING_MS = 1_000
/** Then what was read last has to do, for this once. */
const MOST_READINGS = 3

/** The database's time, asked for at most once in a few seconds. Never ahead of it; behind it by a second at most. */
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
    if (this.#ahead !== undefined && this.#clock.monotonic() - this.#askedAt <= KEPT_MS) {
      return this.#clock.monotonic() + this.#ahead
    }
    let now = 0
    for (let reading = 0; reading < MOST_READINGS; reading += 1) {
      const begun = this.#clock.monotonic()
      now = await readNow(queryable, null)
      const answered = this.#clock.monotonic()
      if (answered - begun > LONGEST_READING_MS) continue
      this.#ahead = now - answered
      this.#askedAt = answered
      break
    }
    return now
  }
}
