import type { Wake } from '../job/control-errors.ts'
import { recordError, type ErrorRecord } from '../job/error-record.ts'
import type { AttemptOutcome } from '../job/job.ts'
import type { Outcome } from '../job/outcome.ts'
import { serializePayload } from '../job/payload.ts'
import { sealedAs, sealValue } from '../job/sealed-value.ts'
import type { ResolvedOptions } from '../options.ts'
import type { FinishedAttempt } from '../store/settle-finished.ts'
import type { UnfinishedAttempt } from '../store/settle-pending.ts'
import type { HeldJob } from './held-job.ts'

/** A job whose deadline was an instant has passed it, and is put off: then it has this long to start. */
const SHORTEST_DEADLINE_MS = 60_000

/** An attempt that is over. */
export interface AttemptEnd {
  readonly held: HeldJob
  readonly outcome: Outcome
  readonly durationMs: number
}

/**
 * The end of an attempt as it waits to be written, and below it its row. Instances, not literals: V8 learns that literals
 * written here live long and makes them in its old generation from then on, where each keeps its job alive until the next
 * full collection (100 MB more while draining, in a third of all runs).
 */
export class EndedAttempt implements AttemptEnd {
  readonly held: HeldJob
  readonly outcome: Outcome
  readonly durationMs: number

  constructor(held: HeldJob, outcome: Outcome, durationMs: number) {
    this.held = held
    this.outcome = outcome
    this.durationMs = durationMs
  }
}

class FinishedRow implements FinishedAttempt {
  readonly jobId: string
  readonly leaseToken: string
  readonly rowAt: string | null
  readonly durationMs: number
  readonly delayMs: number
  readonly ordinary: boolean
  readonly details: FinishedAttempt['details']

  /** A handler that was never called (cancelled while it waited) began when it was claimed. */
  constructor({ held, durationMs }: AttemptEnd, details: FinishedAttempt['details']) {
    this.jobId = held.job.job_id
    this.leaseToken = held.leaseToken
    this.rowAt = held.job.row_at
    this.durationMs = durationMs
    this.delayMs = Math.max(0, held.startedAt - held.claimedAt)
    this.ordinary = held.job.uncommon === null && !held.progressed
    this.details = details
  }
}

/**
 * A snooze of nothing, or until an instant that has passed (by somebody else's clock), would be asked for again and again: 180
 * attempts a second, each with its row of history.
 */
const LEAST_SNOOZE_MS = 100

/** The row to write: by the statement that fits it. */
export type SettlementRecord = { readonly over: FinishedAttempt } | { readonly again: UnfinishedAttempt }

/** What to tell when the row is written. */
export interface Told {
  readonly outcome: AttemptOutcome
  readonly willRetry: boolean
  readonly error: unknown
}

/** How results are stored: their largest size as JSON, and what encrypts them. */
type ResultOptions = Pick<ResolvedOptions, 'maxPayloadBytes' | 'payloadCipher'>

/** A decision, and the row to write. */
export interface Settlement {
  readonly end: AttemptEnd
  readonly record: SettlementRecord
}

/** Turns a decision into the row to write; one that cannot be told in a row has failed, and holds up nobody else. */
export function settlementOf(end: AttemptEnd, options: ResultOptions): Settlement {
  try {
    return { end, record: recordOf(end, options) }
  } catch (error) {
    const failed = new EndedAttempt(end.held, { kind: 'failed', error }, end.durationMs)
    return { end: failed, record: recordOf(failed, options) }
  }
}

/** Turns a decision into the row to write. */
export function recordOf(end: AttemptEnd, options: ResultOptions): SettlementRecord {
  const { outcome } = end
  switch (outcome.kind) {
    case 'completed': {
      const { text, fault } = resultText(outcome.result, end, options)
      if (text === null && fault === undefined && linesOf(end).length === 0)
        return { over: new FinishedRow(end, undefined) }
      return over(end, {
        status: 'completed',
        result: text,
        fault: fault === undefined ? undefined : recordError(fault),
      })
    }
    case 'cancelled':
      return over(end, { status: 'cancelled', fault: recordError(outcome.reason) })
    case 'failed':
      return over(end, { status: 'failed', fault: recordError(outcome.error) })
    case 'retry':
      return again(end, { outcome: 'failed', wake: outcome.wake, fault: recordError(outcome.error) })
    case 'snoozed':
      return again(end, {
        outcome: 'snoozed',
        wake: outcome.wake,
        fault: recordError(outcome.reason),
        leastMs: outcome.movesDeadline ? 0 : LEAST_SNOOZE_MS,
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
  return again(end, { outcome: 'interrupted', wake: { delayMs: 0 }, fault: recordError(reason) })
}

function over(
  end: AttemptEnd,
  what: { status: 'completed' | 'failed' | 'cancelled'; result?: string | null; fault: ErrorRecord | undefined },
): SettlementRecord {
  return {
    over: new FinishedRow(end, { ...told(end, what.fault), status: what.status, result: what.result ?? null }),
  }
}

function again(
  end: AttemptEnd,
  what: {
    outcome: 'failed' | 'snoozed' | 'interrupted'
    wake: Wake
    fault: ErrorRecord
    leastMs?: number
    movesDeadline?: true | undefined
  },
): SettlementRecord {
  const { wake, leastMs = 0 } = what
  const { jobId, leaseToken, durationMs, delayMs } = new FinishedRow(end, undefined)
  return {
    again: {
      jobId,
      leaseToken,
      durationMs,
      delayMs,
      ...told(end, what.fault),
      outcome: what.outcome,
      deadlineMs: what.movesDeadline ? (end.held.definition.expireAfterMs ?? SHORTEST_DEADLINE_MS) : null,
      keepsSlot: end.held.definition.limits?.perKey?.fifo === true && end.held.details.lane !== null,
      wakeInMs: 'delayMs' in wake ? Math.max(wake.delayMs, leastMs) : leastMs,
      wakeAt: 'at' in wake ? wake.at.toISOString() : null,
    },
  }
}

function told(end: AttemptEnd, fault: ErrorRecord | undefined) {
  return {
    errorCode: fault?.code ?? null,
    errorMessage: fault?.message ?? null,
    errorStack: fault?.stack ?? null,
    log: linesOf(end).length > 0 ? linesOf(end) : null,
  }
}

/** A result that cannot be stored is left out, and the row says why: the work itself is done. */
function resultText(
  result: unknown,
  { held: { job } }: AttemptEnd,
  { maxPayloadBytes, payloadCipher }: ResultOptions,
): { text: string | null; fault: string | undefined } {
  if (result === undefined) return { text: null, fault: undefined }
  try {
    const text = serializePayload(result, job.job_type, maxPayloadBytes)
    return { text: sealValue(payloadCipher, text, sealedAs.result(job.job_id)), fault: undefined }
  } catch (error) {
    return { text: null, fault: `completed; its result was not stored: ${recordError(error).message}` }
  }
}

const NO_LINES: readonly string[] = []

function linesOf({ held }: AttemptEnd): readonly string[] {
  return held.context?.lines ?? NO_LINES
}
