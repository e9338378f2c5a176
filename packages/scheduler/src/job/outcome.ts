import { BelfryError } from '../errors.ts'
import { tangible } from './error-record.ts'
import { backoffDelay, type Backoff } from './backoff.ts'
import {
  CancelError,
  ExpiredError,
  NonRetryableError,
  RetryAfterError,
  SnoozeError,
  Suspension,
  type Wake,
} from './control-errors.ts'

/** How an attempt ended, seen from the handler: what it returned, or what it threw. */
export type HandlerEnd = { returned: unknown } | { threw: unknown }

/** What becomes of the job. */
export type Outcome =
  | { kind: 'completed'; result: unknown }
  | { kind: 'retry'; wake: Wake; error: unknown }
  | { kind: 'snoozed'; wake: Wake; reason: string; movesDeadline?: true; rests?: 'type' | 'key' | undefined }
  | { kind: 'interrupted' }
  | { kind: 'cancelled'; reason: string }
  | { kind: 'failed'; error: unknown }
  | { kind: 'lease_lost' }

/** The facts a decision needs. */
export interface AttemptFacts {
  readonly retryCount: number
  readonly maxRetries: number
  readonly backoff: Backoff
  /** Why the handler's signal was aborted, if it was. */
  readonly abortReason: BelfryError | undefined
  /** Source of numbers from 0 up to 1, for the jitter. */
  readonly random: () => number
}

/** Faults of the stored row, which no retry mends, and of a step's result or an answer, which a retry would do over. */
const HOPELESS: ReadonlySet<string> = new Set([
  'BELFRY_INVALID_PAYLOAD',
  'BELFRY_PAYLOAD_UNREADABLE',
  'BELFRY_ROW_UNREADABLE',
  'BELFRY_STEP_RESULT',
  'BELFRY_INVALID_ANSWER',
])

/**
 * Decides what becomes of a job after an attempt. A handler that returned has completed, even if it was asked to stop
 * meanwhile (its effects are out in the world), unless it ran into its timeout or lost its lease: then the attempt is
 * not its own any more.
 */
export function decideOutcome(ended: HandlerEnd, facts: AttemptFacts): Outcome {
  const end = 'threw' in ended ? { threw: tangible(ended.threw) } : ended
  const aborted = facts.abortReason?.code
  if (aborted === 'BELFRY_LEASE_LOST') return { kind: 'lease_lost' }
  if (aborted === 'BELFRY_JOB_TIMEOUT') return retryOrFail(facts.abortReason, facts)
  // Even if the handler caught it: what it did after that was not the work.
  if (facts.abortReason instanceof Suspension) {
    const { wake, message } = facts.abortReason
    return { kind: 'snoozed', wake, reason: message, movesDeadline: true }
  }
  if ('returned' in end) return { kind: 'completed', result: end.returned }
  if (end.threw instanceof ExpiredError) {
    const { wake, message } = end.threw
    return wake
      ? { kind: 'snoozed', wake, reason: message, movesDeadline: true }
      : { kind: 'cancelled', reason: message }
  }
  if (end.threw instanceof CancelError) return { kind: 'cancelled', reason: end.threw.message }
  if (aborted === 'BELFRY_JOB_CANCELLED') return { kind: 'cancelled', reason: facts.abortReason?.message ?? '' }
  if (aborted === 'BELFRY_SHUTDOWN') return { kind: 'interrupted' }
  if (end.threw instanceof SnoozeError || end.threw instanceof RetryAfterError) {
    const rests = end.threw instanceof RetryAfterError ? end.threw.rests : undefined
    return { kind: 'snoozed', wake: end.threw.wake, reason: end.threw.message, rests }
  }
  if (end.threw instanceof NonRetryableError) return { kind: 'failed', error: end.threw }
  if (end.threw instanceof BelfryError && HOPELESS.has(end.threw.code)) return { kind: 'failed', error: end.threw }
  return retryOrFail(end.threw, facts)
}

function retryOrFail(error: unknown, facts: AttemptFacts): Outcome {
  if (facts.retryCount >= facts.maxRetries) return { kind: 'failed', error }
  try {
    const delayMs = backoffDelay(facts.backoff, { retry: facts.retryCount + 1, error, random: facts.random() })
    return { kind: 'retry', wake: { delayMs }, error }
  } catch (backoffError) {
    return { kind: 'failed', error: new AggregateError([error, backoffError], 'the backoff failed as well') }
  }
}
