import type { Queryable } from '../database/database.ts'
import { KEPT_COLUMNS, type Tables } from './tables.ts'

/** A job that is over: completed, failed for good, or cancelled. */
export interface FinishedAttempt {
  readonly jobId: string
  readonly leaseToken: string
  readonly status: 'completed' | 'failed' | 'cancelled'
  readonly durationMs: number
  /** JSON text. */
  readonly result: string | null
  readonly errorCode: string | null
  readonly errorMessage: string | null
  readonly errorStack: string | null
  /** JSON text of an array of lines. */
  readonly log: string | null
}

/**
 * Settles finished attempts in one statement: out of the live partition, into the finished one, one history row each.
 * Fenced: a row whose lease token changed is left alone. Answers the ids that were settled; the others lost their lease.
 */
export async function settleFinished(
  database: Queryable,
  tables: Tables,
  request: { attempts: readonly FinishedAttempt[]; now: string | null },
): Promise<string[]> {
  const { attempts } = request
  const settled = await database.query<{ job_id: string }>(
    `with ended as (
       select * from unnest($1::text[], $2::uuid[], $3::text[], $4::int[], $5::text[], $6::text[], $7::text[],
         $8::text[], $9::text[])
         as ended(job_id, lease_token, status, duration_ms, result, error_code, error_message, error_stack, log)
     ), gone as (
       delete from ${tables.live} live using ended
       where live.job_id = ended.job_id and live.lease_token = ended.lease_token
       returning live.job_id, live.job_type, live.scheduled_time, live.payload, live.created_at, live.retry_count,
         live.max_retries, live.started_at, live.attempt, live.lost_count, live.snooze_count, live.unique_key,
         live.payload_version, live.timeout_ms, live.schedule_id, live.occurrence, live.runner_id, live.progress,
         ended.status as outcome, ended.duration_ms, ended.result, ended.error_code, ended.error_message,
         ended.error_stack, ended.log
     ), kept as (
       insert into ${tables.finished} (${KEPT_COLUMNS}, status, last_outcome, completed_at, error_message, result)
       select ${KEPT_COLUMNS}, outcome, outcome, coalesce($10::text::timestamptz, now()), error_message, result::jsonb
       from gone
     )
     insert into ${tables.history} (job_id, job_type, attempt, execution_time, duration_ms, wait_ms, status, error_code,
       error_message, error_stack, runner_id, log, created_at)
     select job_id, job_type, attempt, started_at, duration_ms,
       greatest(0, extract(epoch from started_at - scheduled_time) * 1000)::bigint, outcome, error_code, error_message,
       error_stack, runner_id, log::jsonb, coalesce($10::text::timestamptz, now())
     from gone
     returning job_id`,
    [
      attempts.map(attempt => attempt.jobId),
      attempts.map(attempt => attempt.leaseToken),
      attempts.map(attempt => attempt.status),
      attempts.map(attempt => Math.round(attempt.durationMs)),
      attempts.map(attempt => attempt.result),
      attempts.map(attempt => attempt.errorCode),
      attempts.map(attempt => attempt.errorMessage),
      attempts.map(attempt => attempt.errorStack),
      attempts.map(attempt => attempt.log),
      request.now,
    ],
  )
  return settled.rows.map(row => row.job_id)
}
