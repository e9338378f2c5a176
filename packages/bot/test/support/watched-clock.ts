import { TestClock } from 'belfry/testing'
import { until } from '../../../../test-support/until.ts'

/** Counts what is waited for, so that a test moves time only when there is something to wait for. */
export class WatchedClock extends TestClock {
  readonly waits: number[] = []

  override setTimer(delayMs: number, run: () => void) {
    this.waits.push(delayMs)
    return super.setTimer(delayMs, run)
  }

  /** Resolves when a wait of so many milliseconds has begun. */
  waitsFor(delayMs: number): Promise<true> {
    return until(`a wait of ${delayMs} ms`, () => Promise.resolve(this.waits.includes(delayMs) || undefined), 10_000)
  }
}
