import { BelfryError, show } from '../errors.ts'
import { parseDuration, type Duration } from '../runtime/duration.ts'
import { isStorableInstant } from '../runtime/storable-instant.ts'

/** Throw it from a handler: retrying cannot help, the job is `failed` at once. */
export class NonRetryableError extends Error {
  override readonly name = 'NonRetryableError'
}

/** Throw it from a handler: the job ends as `cancelled`, with the message as its reason. */
export class CancelError extends Error {
  override readonly name = 'CancelError'
}

/** Throw it from a handler: run again later without spending a retry. Counted in the job's history as `snoozed`. */
export class SnoozeError extends Error {
  override readonly name = 'SnoozeError'
  readonly wake: Wake

  /** @param wake how long to wait, or the instant to run at */
  constructor(wake: Duration | Date, reason = 'snoozed') {
    super(reason)
    this.wake = wakeOf(wake, 'SnoozeError')
  }
}

/**
 * Throw it from a handler when the other side says "later" (HTTP 429 with Retry-After): like a snooze, no retry is
 * spent, and the reason is kept.
 */
export class RetryAfterError extends Error {
  override readonly name = 'RetryAfterError'
  readonly wake: Wake
  readonly rests: 'type' | 'key' | undefined

  /**
   * @param options `rests`: what the answer was about: all jobs of the type, or those of this job's `concurrencyKey`.
   *   None of them starts before, in any process. For types with `limits`. Default: this job alone.
   */
  constructor(
    wake: Duration | Date,
    reason = 'asked to retry later',
    options: { readonly rests?: 'type' | 'key' } = {},
  ) {
    super(reason)
    this.wake = wakeOf(wake, 'RetryAfterError')
    this.rests = options.rests
  }
}

/** The job could not start in time; with a `wake` it is put off, deadline and all. Not thrown by handlers. */
export class ExpiredError extends Error {
  override readonly name = 'ExpiredError'
  readonly wake: Wake | undefined

  constructor(wake: Wake | undefined) {
    super('expired')
    this.wake = wake
  }
}

/** The attempt is over because its job sleeps or waits for an event. Thrown by the context, never by handlers. */
export class Suspension extends BelfryError {
  readonly wake: Wake

  constructor(wake: Wake, reason: string) {
    super('BELFRY_ATTEMPT_SUSPENDED', reason)
    this.wake = wake
  }
}

/** When to run next: after a span counted by the database's clock, or at an instant. */
export type Wake = { readonly delayMs: number } | { readonly at: Date }

/** @throws BelfryError `BELFRY_INVALID_DURATION`, `BELFRY_INVALID_TIME` */
export function wakeOf(value: Duration | Date, what: string): Wake {
  if (!(value instanceof Date)) return { delayMs: parseDuration(value, what) }
  // Beyond PostgreSQL's own dates lies what seconds taken for milliseconds make: the year 58876.
  if (isStorableInstant(value.getTime())) return { at: value }
  throw new BelfryError(
    'BELFRY_INVALID_TIME',
    `${what}: expected a Date between 1970 and 3000 or a span of time, got ${show(value)}`,
  )
}
