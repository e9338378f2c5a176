import type { Wake } from '../job/control-errors.ts'
import { recordError } from '../job/error-record.ts'
import type { AttemptOutcome } from '../job/job.ts'
import type { Outcome } from '../job/outcome.ts'
import { serializePayload } from '../job/payload.ts'
import type { RunningJob } from './running-jobs.ts'
import type { Settlement } from './settler.ts'

interface AttemptEnd {
  readonly running: RunningJob
  readonly durationMs: number
  readonly log: readonly string[]
  /** Largest stored result, as JSON. */
  readonly maxBytes: number
}

interface Told {
  readonly outcome: AttemptOutcome
  readonly willRetry: boolean
  readonly error: unknown
}

/** Turns a decision into the row to write and the news to tell. */
export function settlementOf(outcome: Outcome, end: AttemptEnd): { record: Settlement['record']; told: Told } {
  switch (outcome.kind) {
    case 'completed': {
      const { text, fault } = resultText(outcome.result, end)
      const record = over(end, { status: 'completed', result: text, fault })
      return { record, told: { outcome: 'completed', willRetry: false, error: undefined } }
    }
    case 'cancelled':
      return {
        record: over(end, { status: 'cancelled', fault: outcome.reason }),
        told: { outcome: 'cancelled', willRetry: false, error: undefined },
      }
    case 'failed':
      return {
        record: over(end, { status: 'failed', fault: outcome.error }),
        told: { outcome: 'failed', willRetry: false, error: outcome.error },
      }
    case 'retry':
      return {
        record: again(end, { outcome: 'failed', wake: outcome.wake, fault: outcome.error }),
        told: { outcome: 'failed', willRetry: true, error: outcome.error },
      }
    case 'snoozed':
      return {
        record: again(end, { outcome: 'snoozed', wake: outcome.wake, fault: outcome.reason }),
        told: { outcome: 'snoozed', willRetry: true, error: undefined },
      }
    case 'interrupted':
      return interrupted(end, 'the process was stopped')
    case 'lease_lost':
      // If nobody has taken the job back yet, giving it back now spares everyone the wait; if somebody has, the fence
      // refuses this.
      return interrupted(end, 'the lease was lost')
  }
}

function interrupted(end: AttemptEnd, reason: string): { record: Settlement['record']; told: Told } {
  return {
    record: again(end, { outcome: 'interrupted', wake: { delayMs: 0 }, fault: reason }),
    told: { outcome: 'interrupted', willRetry: true, error: undefined },
  }
}

function over(
  end: AttemptEnd,
  what: { status: 'completed' | 'failed' | 'cancelled'; result?: string | null; fault?: unknown },
): Settlement['record'] {
  return { over: { ...common(end, what.fault), status: what.status, result: what.result ?? null } }
}

function again(
  end: AttemptEnd,
  what: { outcome: 'failed' | 'snoozed' | 'interrupted'; wake: Wake; fault: unknown },
): Settlement['record'] {
  const { wake } = what
  return {
    again: {
      ...common(end, what.fault),
      outcome: what.outcome,
      wakeInMs: 'delayMs' in wake ? wake.delayMs : 0,
      wakeAt: 'at' in wake ? wake.at.toISOString() : null,
    },
  }
}

function common(end: AttemptEnd, fault: unknown) {
  const error = fault === undefined ? { code: null, message: null, stack: null } : recordError(fault)
  return {
    jobId: end.running.job.job_id,
    leaseToken: end.running.leaseToken,
    durationMs: end.durationMs,
    errorCode: error.code,
    errorMessage: error.message,
    errorStack: error.stack,
    log: end.log.length > 0 ? JSON.stringify(end.log) : null,
  }
}

/** A result that cannot be stored is left out, and the row says why: the work itself is done. */
function resultText(result: unknown, end: AttemptEnd): { text: string | null; fault: unknown } {
  if (result === undefined) return { text: null, fault: undefined }
  try {
    return { text: serializePayload(result, end.running.job.job_type, end.maxBytes), fault: undefined }
  } catch (error) {
    return { text: null, fault: `completed; its result was not stored: ${recordError(error).message}` }
  }
}
