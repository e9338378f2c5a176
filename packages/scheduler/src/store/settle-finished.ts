import type { Queryable } from '../database/database.ts'
import {
  STARTED_COLUMNS,
  settledAnswer,
  settledOf,
  WAIT_MS,
  type CompletedAttempt,
  type Settled,
} from './settle-completed.ts'
import { KEPT_COLUMNS, type Tables } from './tables.ts'

/** An attempt after which the job is over, with everything that can be told about it. */
export interface FinishedAttempt extends CompletedAttempt {
  readonly status: 'completed' | 'failed' | 'cancelled'
  /** JSON text. */
  readonly result: string | null
  readonly errorCode: string | null
  readonly errorMessage: string | null
  readonly errorStack: string | null
  /** JSON text of an array of lines. */
  readonly log: string | null
}

/** As `settleCompleted`, for attempts that failed, were cancelled, or have a result or a log to keep. */
export async function settleFinished(
  database: Queryable,
  tables: Tables,
  request: { attempts: readonly FinishedAttempt[]; now: string | null },
): Promise<Settled> {
  const { attempts, now } = request
  const answer = await database.query<{ settled: string[] | null; awaited: string[] | null }>(
    `with ended as (
       select * from unnest($1::text[], $2::uuid[], $3::int[], $4::int[], $7::text[], $8::text[], $9::text[],
         $10::text[], $11::text[], $12::text[])
         as ended(job_id, lease_token, took_ms, delay_ms, outcome, outcome_result, code, message, stack, lines)
     ), gone as (
       delete from ${tables.live} live using ended
       where live.job_id = ended.job_id and live.lease_token = ended.lease_token
       returning live.*, ended.took_ms, ended.outcome, ended.outcome_result, ended.code, ended.message, ended.stack,
         ended.lines, live.started_at + ended.delay_ms * interval '1 ms' as begun_at
     ), kept as (
       insert into ${tables.finished} (${KEPT_COLUMNS}, status, last_outcome, completed_at, execution_id, duration_ms,
         wait_ms, result, error_code, error_message, error_stack, log)
       select ${STARTED_COLUMNS}, outcome, outcome, coalesce($5::text::timestamptz, clock_timestamp()),
         ${tables.nextExecution}, took_ms, ${WAIT_MS},
         outcome_result::jsonb, code, message, stack, lines::jsonb
       from gone
     )
     ${settledAnswer('gone', 6)}`,
    [
      attempts.map(attempt => attempt.jobId),
      attempts.map(attempt => attempt.leaseToken),
      attempts.map(attempt => Math.round(attempt.durationMs)),
      attempts.map(attempt => Math.round(attempt.delayMs)),
      now,
      attempts.length,
      attempts.map(attempt => attempt.status),
      attempts.map(attempt => attempt.result),
      attempts.map(attempt => attempt.errorCode),
      attempts.map(attempt => attempt.errorMessage),
      attempts.map(attempt => attempt.errorStack),
      attempts.map(attempt => attempt.log),
    ],
  )
  return settledOf(
    answer.rows[0],
    attempts.map(attempt => attempt.jobId),
  )
}
