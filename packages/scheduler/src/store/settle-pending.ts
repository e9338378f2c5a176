import type { Queryable } from '../database/database.ts'
import { readyAt } from './insert-jobs.ts'
import { settledAnswer, settledOf, type Settled } from './settle-completed.ts'
import type { Tables } from './tables.ts'

/** When the job runs again. */
const WAKE = `coalesce(before.wake_at::timestamptz,
           coalesce($11::text::timestamptz, clock_timestamp()) + before.wake_in_ms * interval '1 millisecond')`

/** An attempt that is over while its job is not: it will run again. */
export interface UnfinishedAttempt {
  readonly jobId: string
  readonly leaseToken: string
  readonly outcome: 'failed' | 'snoozed' | 'interrupted'
  readonly durationMs: number
  /** From claimed to started, in ms. */
  readonly delayMs: number
  /** Milliseconds from now; used when `wakeAt` is null. */
  readonly wakeInMs: number
  /** ISO text. */
  readonly wakeAt: string | null
  readonly errorCode: string | null
  readonly errorMessage: string | null
  readonly errorStack: string | null
  readonly log: string | null
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
  const { attempts } = request
  const answer = await database.query<{ settled: string[] | null; awaited: string[] | null }>(
    `with ended as (
       select * from unnest($1::text[], $2::uuid[], $3::text[], $4::int[], $5::float8[], $6::text[], $7::text[],
         $8::text[], $9::text[], $10::text[], $12::int[])
         as ended(job_id, lease_token, outcome, duration_ms, wake_in_ms, wake_at, error_code, error_message,
           error_stack, log, delay_ms)
     ), before as (
       select ended.*, live.started_at + ended.delay_ms * interval '1 ms' as begun_at, live.runner_id,
         live.scheduled_time
       from ${tables.live} live join ended on live.job_id = ended.job_id and live.lease_token = ended.lease_token
       for update of live
     ), again as (
       update ${tables.live} live set status = 'pending', lease_token = null, runner_id = null,
         scheduled_time = ${WAKE},
         ready_at = ${readyAt(WAKE, 'live.priority')},
         retry_count = live.retry_count + (before.outcome = 'failed')::int,
         snooze_count = live.snooze_count + (before.outcome = 'snoozed')::int,
         last_outcome = before.outcome, error_message = coalesce(before.error_message, live.error_message)
       from before where live.job_id = before.job_id
       returning live.job_id, live.job_type, live.attempt, before.begun_at, before.scheduled_time as was_due,
         before.runner_id as was_held_by, before.outcome, before.duration_ms, before.error_code,
         before.error_message as attempt_error, before.error_stack, before.log
     ), kept as (
     insert into ${tables.attempts} (job_id, job_type, attempt, execution_time, duration_ms, wait_ms, status, error_code,
       error_message, error_stack, runner_id, log, created_at)
     select job_id, job_type, attempt, begun_at, duration_ms,
       greatest(0, date_part('epoch', begun_at - was_due) * 1000)::bigint, outcome, error_code, attempt_error,
       error_stack, was_held_by, log::jsonb, coalesce($11::text::timestamptz, clock_timestamp())
     from again)
     ${settledAnswer('(select job_id, false as awaited from again) again', 13)}`,
    [
      attempts.map(attempt => attempt.jobId),
      attempts.map(attempt => attempt.leaseToken),
      attempts.map(attempt => attempt.outcome),
      attempts.map(attempt => Math.round(attempt.durationMs)),
      attempts.map(attempt => attempt.wakeInMs),
      attempts.map(attempt => attempt.wakeAt),
      attempts.map(attempt => attempt.errorCode),
      attempts.map(attempt => attempt.errorMessage),
      attempts.map(attempt => attempt.errorStack),
      attempts.map(attempt => attempt.log),
      request.now,
      attempts.map(attempt => Math.round(attempt.delayMs)),
      attempts.length,
    ],
  )
  return settledOf(
    answer.rows[0],
    attempts.map(attempt => attempt.jobId),
  )
}
