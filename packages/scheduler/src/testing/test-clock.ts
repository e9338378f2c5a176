import { BelfryError, show } from '../errors.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import { parseDuration, type Duration } from '../runtime/duration.ts'

interface PendingTimer {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/**
 * A clock that stands still until it is told to move. It moves the library's timers and the `now` of its statements
 * together, so that two days pass in a test within milliseconds.
 */
export class TestClock implements Clock {
  #now: number
  readonly #start: number
  #order = 0
  readonly #timers = new Set<PendingTimer>()

  /**
   * @param start default 1 January 2027, noon UTC
   * @throws BelfryError `BELFRY_INVALID_TIME`
   */
  constructor(start: Date | string = '2027-01-01T12:00:00Z') {
    this.#now = millisecondsOf(start, 'start')
    this.#start = this.#now
  }

  now(): Date {
    return new Date(this.#now)
  }

  databaseNow(): Date {
    return this.now()
  }

  monotonic(): number {
    return this.#now - this.#start
  }

  setTimer(delayMs: number, run: () => void): Timer {
    this.#order += 1
    const timer = { at: this.#now + Math.max(0, delayMs), order: this.#order, run }
    this.#timers.add(timer)
    return { cancel: () => this.#timers.delete(timer) }
  }

  /** Moves time forward; timers that come due are run in order, each at its own time. */
  advance(by: Duration): void {
    this.moveTo(new Date(this.#now + parseDuration(by, 'advance')))
  }

  /**
   * Moves time to an instant. Backwards, as a clock that is set: no timer runs.
   * @throws BelfryError `BELFRY_INVALID_TIME`
   */
  moveTo(instant: Date | string): void {
    const end = millisecondsOf(instant, 'instant')
    for (;;) {
      const next = [...this.#timers]
        .filter(timer => timer.at <= end)
        .toSorted((a, b) => a.at - b.at || a.order - b.order)[0]
      if (!next) break
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.run()
    }
    this.#now = end
  }
}

/** A clock that tells no time at all would let every job wait for ever. */
function millisecondsOf(instant: Date | string, name: string): number {
  const ms = new Date(instant).getTime()
  if (!Number.isNaN(ms)) return ms
  throw new BelfryError(
    'BELFRY_INVALID_TIME',
    `${name} of a TestClock: expected a Date, or a text such as '2027-01-01T12:00:00Z', got ${show(instant)}`,
  )
}
