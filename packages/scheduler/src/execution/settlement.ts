import type { Wake } from '../job/control-errors.ts'
import { recordError } from '../job/error-record.ts'
import type { AttemptOutcome } from '../job/job.ts'
import type { Outcome } from '../job/outcome.ts'
import { serializePayload } from '../job/payload.ts'
import type { FinishedAttempt } from '../store/settle-finished.ts'
import type { UnfinishedAttempt } from '../store/settle-pending.ts'
import type { HeldJob } from './held-job.ts'

/** An attempt that is over. */
export interface AttemptEnd {
  readonly held: HeldJob
  readonly outcome: Outcome
  readonly durationMs: number
}

/** The row to write: by the statement that fits it. */
export type SettlementRecord = { readonly over: FinishedAttempt } | { readonly again: UnfinishedAttempt }

/** What to tell when the row is written. */
export interface Told {
  readonly outcome: AttemptOutcome
  readonly willRetry: boolean
  readonly error: unknown
}

/**
 * Turns a decision into the row to write.
 * @param maxBytes largest stored result, as JSON
 */
export function recordOf(end: AttemptEnd, maxBytes: number): SettlementRecord {
  const { outcome } = end
  switch (outcome.kind) {
    case 'completed': {
      const { text, fault } = resultText(outcome.result, end, maxBytes)
      if (text === null && fault === undefined && linesOf(end).length === 0) return { over: attemptOf(end, undefined) }
      return over(end, { status: 'completed', result: text, fault })
    }
    case 'cancelled':
      return over(end, { status: 'cancelled', fault: outcome.reason })
    case 'failed':
      return over(end, { status: 'failed', fault: outcome.error })
    case 'retry':
      return again(end, { outcome: 'failed', wake: outcome.wake, fault: outcome.error })
    case 'snoozed':
      return again(end, {
        outcome: 'snoozed',
        wake: outcome.wake,
        fault: outcome.reason,
        movesDeadline: outcome.movesDeadline,
      })
    case 'interrupted':
      return interrupted(end, 'the process was stopped')
    case 'lease_lost':
      // If nobody has taken the job back yet, giving it back now spares everyone the wait; if somebody has, the fence
      // refuses this.
      return interrupted(end, 'the lease was lost')
  }
}

/** The news of an outcome that was written. */
export function toldOf(outcome: Outcome): Told {
  switch (outcome.kind) {
    case 'completed':
    case 'cancelled':
      return { outcome: outcome.kind, willRetry: false, error: undefined }
    case 'failed':
      return { outcome: 'failed', willRetry: false, error: outcome.error }
    case 'retry':
      return { outcome: 'failed', willRetry: true, error: outcome.error }
    case 'snoozed':
      return { outcome: 'snoozed', willRetry: true, error: undefined }
    case 'interrupted':
    case 'lease_lost':
      return { outcome: 'interrupted', willRetry: true, error: undefined }
  }
}

function interrupted(end: AttemptEnd, reason: string): SettlementRecord {
  return again(end, { outcome: 'interrupted', wake: { delayMs: 0 }, fault: reason })
}

function over(
  end: AttemptEnd,
  what: { status: 'completed' | 'failed' | 'cancelled'; result?: string | null; fault?: unknown },
): SettlementRecord {
  return {
    over: attemptOf(end, { ...told(end, what.fault), status: what.status, result: what.result ?? null }),
  }
}

function again(
  end: AttemptEnd,
  what: { outcome: 'failed' | 'snoozed' | 'interrupted'; wake: Wake; fault: unknown; movesDeadline?: true | undefined },
): SettlementRecord {
  const { wake } = what
  const { jobId, leaseToken, durationMs, delayMs } = attemptOf(end, undefined)
  return {
    again: {
      jobId,
      leaseToken,
      durationMs,
      delayMs,
      ...told(end, what.fault),
      outcome: what.outcome,
      movesDeadline: what.movesDeadline ?? false,
      keepsSlot: end.held.definition.limits?.perKey?.fifo === true && end.held.details.lane !== null,
      wakeInMs: 'delayMs' in wake ? wake.delayMs : 0,
      wakeAt: 'at' in wake ? wake.at.toISOString() : null,
    },
  }
}

/** A handler that was never called (cancelled while it waited) began when it was claimed. */
function attemptOf({ held, durationMs }: AttemptEnd, details: FinishedAttempt['details']): FinishedAttempt {
  return {
    jobId: held.job.job_id,
    leaseToken: held.leaseToken,
    rowAt: held.job.row_at,
    durationMs,
    delayMs: Math.max(0, held.startedAt - held.claimedAt),
    ordinary: held.job.uncommon === null && !held.progressed,
    details,
  }
}

function told(end: AttemptEnd, fault: unknown) {
  const error = fault === undefined ? { code: null, message: null, stack: null } : recordError(fault)
  return {
    errorCode: error.code,
    errorMessage: error.message,
    errorStack: error.stack,
    log: linesOf(end).length > 0 ? linesOf(end) : null,
  }
}

/** A result that cannot be stored is left out, and the row says why: the work itself is done. */
function resultText(result: unknown, end: AttemptEnd, maxBytes: number): { text: string | null; fault: unknown } {
  if (result === undefined) return { text: null, fault: undefined }
  try {
    return { text: serializePayload(result, end.held.job.job_type, maxBytes), fault: undefined }
  } catch (error) {
    return { text: null, fault: `completed; its result was not stored: ${recordError(error).message}` }
  }
}

const NO_LINES: readonly string[] = []

function linesOf({ held }: AttemptEnd): readonly string[] {
  return held.context?.lines ?? NO_LINES
}
