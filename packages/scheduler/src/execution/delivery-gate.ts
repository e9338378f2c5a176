import type { Core } from '../core.ts'
import { ExpiredError, SnoozeError } from '../job/control-errors.ts'
import { OUTSIDE_WINDOW, windowFor } from '../job/delivery.ts'
import { placeInWindow, type ResolvedWindow } from '../job/delivery-window.ts'
import { DatabaseClock } from '../store/database-clock.ts'
import type { HeldJob } from './held-job.ts'

/** Two readings of the same clock, taken over a network, differ by less. */
const READING_ERROR_MS = 1_000

const ASKED_AGAIN_MS = 1_000

/**
 * The last look at a job's delivery window, when it would start: a retry, a snooze or a process that was down may have
 * brought it there at any hour. By the database's clock, which jobs without a window never ask for.
 */
export class DeliveryGate {
  readonly #core: Core
  readonly #clock: DatabaseClock

  constructor(core: Core) {
    this.#core = core
    this.#clock = new DatabaseClock(core.clock)
  }

  windowOf({ definition, details }: HeldJob): ResolvedWindow | undefined {
    return windowFor(definition, details.delivery)
  }

  /** Resolves when the job may start; throws what puts it off until it may. */
  async pass({ job, details }: HeldJob, window: ResolvedWindow): Promise<void> {
    const read = await this.#now()
    // It is due, so a reading that lies just before that is late by the reading's error.
    const early = job.scheduled_ms - read
    const now = early > 0 && early < READING_ERROR_MS ? job.scheduled_ms : read
    const at = placeInWindow(window, { wanted: now, now, key: details.spread_key ?? job.job_id })
    if (at === now) return
    const until = new Date(at)
    throw new SnoozeError(until, `${OUTSIDE_WINDOW} until ${until.toISOString()}`)
  }

  /** Rejects with what puts a late job off by a span, to an instant at which it may start: its new deadline counts from there. */
  async putOff({ job, details }: HeldJob, window: ResolvedWindow, delayMs: number): Promise<never> {
    const now = await this.#now()
    const at = placeInWindow(window, { wanted: now + delayMs, now, key: details.spread_key ?? job.job_id })
    throw new ExpiredError({ at: new Date(at) })
  }

  /** While the database is away nothing can tell the time: a clock of our own that is hours wrong would send by night. */
  #now(): Promise<number> {
    return this.#clock.now(this.#core.database).catch(() => {
      throw new SnoozeError(ASKED_AGAIN_MS, 'the time could not be read from the database')
    })
  }
}
