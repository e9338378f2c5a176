import type { Queryable } from '../database/database.ts'
import { deadlineSpan } from './deadline-span.ts'
import { readyAt } from './ready-at.ts'
import { settledAnswer, settledOf, TokenList, type Settled, type SettledRow } from './settle-finished.ts'
import type { Tables } from './tables.ts'

/** When the job runs again. */
const WAKE = `greatest(before.wake_at,
           coalesce($2::text::timestamptz, clock_timestamp()) + before.wake_in_ms * interval '1 millisecond')`

/**
 * A deadline that moves is as far from the new due time as from the old one, and no nearer than its span: a retry or a
 * snooze may have moved the old due time behind it, and whoever is put off so would be late for ever.
 */
const MOVED_DEADLINE = `greatest(live.expires_at + (${WAKE} - live.scheduled_time),
           ${WAKE} + coalesce(${deadlineSpan('live')}, deadline_ms) * interval '1 millisecond')`

/** An attempt that is over while its job is not: it will run again. */
export interface UnfinishedAttempt {
  readonly jobId: string
  readonly leaseToken: string
  readonly outcome: 'failed' | 'snoozed' | 'interrupted'
  readonly durationMs: number
  /** From claimed to started, in ms. */
  readonly delayMs: number
  /** A retry in strict order: the followers of its key wait for it. */
  readonly keepsSlot: boolean
  /** The deadline moves with the due time; at least so many ms behind it, if the row does not say. Null: it stays. */
  readonly deadlineMs: number | null
  /** Milliseconds from now, at the least. */
  readonly wakeInMs: number
  /** ISO text; null: after `wakeInMs`. */
  readonly wakeAt: string | null
  readonly errorCode: string | null
  readonly errorMessage: string | null
  readonly errorStack: string | null
  readonly log: readonly string[] | null
}

/**
 * Puts jobs back to pending with the time of their next attempt, and writes the history row of the one that ended.
 * Only `failed` spends a retry. A job that was asked to be cancelled meanwhile keeps that wish: it is cancelled when it
 * is claimed next. Fenced by the lease token; answers the ids that were settled.
 */
export async function settlePending(
  database: Queryable,
  tables: Tables,
  request: { attempts: readonly UnfinishedAttempt[]; now: string | null },
): Promise<Settled> {
  const { attempts, now } = request
  const tokens = new TokenList()
  const rows = attempts.map(attempt => rowOf(attempt, tokens))
  const answer = await database.query<SettledRow>(
    `with ended as (
       select row->>0 as job_id, ($4::uuid[])[(row->>1)::int] as lease_token, (row->>2)::int as duration_ms,
         (row->>3)::int * interval '1 ms' as delay, row->>4 as outcome, (row->>5)::float8 as wake_in_ms,
         (row->>6)::timestamptz as wake_at, row->>7 as error_code, row->>8 as error_message, row->>9 as error_stack,
         nullif(row->10, 'null') as log, (row->>11)::float8 as deadline_ms,
         (row->>12)::boolean as keeps_slot
       from jsonb_array_elements((select $1::text)::jsonb) as row
     ), before as (
       select ended.*, live.started_at + ended.delay as begun_at, live.runner_id,
         live.scheduled_time
       from ${tables.live} live join ended on live.job_id = ended.job_id and live.lease_token = ended.lease_token
       order by live.job_id for update of live
     ), again as (
       update ${tables.live} live set status = 'pending', lease_token = null, runner_id = null,
         admitted = live.admitted and keeps_slot,
         scheduled_time = ${WAKE},
         expires_at = case when live.expires_at is null or deadline_ms is null or not isfinite(live.scheduled_time)
           then live.expires_at else ${MOVED_DEADLINE} end,
         ready_at = ${readyAt(WAKE, 'live.priority')},
         retry_count = least(live.retry_count, 2147483646) + (before.outcome = 'failed')::int,
         snooze_count = least(live.snooze_count, 2147483646) + (before.outcome = 'snoozed')::int,
         last_outcome = before.outcome, error_message = coalesce(before.error_message, live.error_message)
       from before where live.job_id = before.job_id
       returning live.job_id, live.job_type, live.attempt, before.begun_at, before.scheduled_time as was_due,
         before.runner_id as was_held_by, before.outcome, before.duration_ms, before.error_code,
         before.error_message as attempt_error, before.error_stack, before.log
     ), kept as (
     insert into ${tables.attempts} (job_id, job_type, attempt, execution_time, duration_ms, wait_ms, status, error_code,
       error_message, error_stack, runner_id, log, created_at)
     select job_id, job_type, attempt, begun_at, duration_ms,
       case when isfinite(was_due) then greatest(0, date_part('epoch', begun_at - was_due) * 1000)::bigint end,
       outcome, error_code, attempt_error,
       error_stack, was_held_by, log, coalesce($2::text::timestamptz, clock_timestamp())
     from again)
     ${settledAnswer('(select job_id, false as awaited from again) again', '$3::int')}`,
    [JSON.stringify(rows), now, attempts.length, tokens.all],
  )
  return settledOf(
    answer.rows[0],
    attempts.map(attempt => attempt.jobId),
  )
}

function rowOf(attempt: UnfinishedAttempt, tokens: TokenList): unknown[] {
  const { jobId, leaseToken, durationMs, delayMs, outcome, wakeInMs, wakeAt } = attempt
  const { errorCode, errorMessage, errorStack, log } = attempt
  const times = [Math.round(durationMs), Math.round(delayMs)]
  return [
    jobId,
    tokens.numberOf(leaseToken),
    ...times,
    outcome,
    wakeInMs,
    wakeAt,
    errorCode,
    errorMessage,
    errorStack,
    log,
    attempt.deadlineMs,
    attempt.keepsSlot,
  ]
}
