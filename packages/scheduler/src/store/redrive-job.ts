import type { Queryable } from '../database/database.ts'
import { KEPT_COLUMNS, type Tables } from './tables.ts'

/**
 * Gives a failed or cancelled job a new life: pending, due now, with all its retries. Its history stays and its attempts
 * go on counting. False when no such job is failed or cancelled, or when its unique key is another unfinished job's.
 */
export async function redriveJob(
  database: Queryable,
  tables: Tables,
  request: { jobId: string; now: string | null },
): Promise<boolean> {
  const columns = KEPT_COLUMNS.replace('runner_id', 'null').replace('retry_count', '0').replace('lost_count', '0')
  const again = columns.replace('scheduled_time', 'coalesce($2::text::timestamptz, now())')
  const redriven = await database.query<{ job_id: string }>(
    `with gone as (
       delete from ${tables.finished} finished
       where job_id = $1::text and status in ('failed', 'cancelled') and not exists (
         select from ${tables.live} live where live.job_id = finished.job_id
           or (live.job_type = finished.job_type and live.unique_key = finished.unique_key))
       returning *
     ), back as (
       insert into ${tables.live} (${KEPT_COLUMNS}, last_outcome, error_message)
       select ${again}, last_outcome, error_message from gone returning job_id
     ), hint as materialized (select pg_notify($3::text, 'due') from back)
     select job_id from back left join hint on true`,
    [request.jobId, request.now, tables.channel],
  )
  return redriven.rows.length > 0
}
