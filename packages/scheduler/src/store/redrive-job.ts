import type { Queryable } from '../database/database.ts'
import { hasOpenDependents } from './dependency-table.ts'
import { readyAt } from './ready-at.ts'
import { keepAttempt } from './keep-attempt.ts'
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
  const due = 'coalesce($2::text::timestamptz, now())'
  // What belongs to the life that ended stays behind.
  const columns = KEPT_COLUMNS.replace(/, (runner_id|retry_count|lost_count|expires_at|progress)\b/g, '')
  const again = columns.replace('scheduled_time', due).replace('awaited', hasOpenDependents(tables, 'gone'))
  const redriven = await database.query<{ job_id: string }>(
    `with gone as (
       delete from ${tables.finished} finished
       where job_id = $1::text and status in ('failed', 'cancelled') and not exists (
         select from ${tables.live} live where live.job_id = finished.job_id
           or (live.job_type = finished.job_type and live.unique_key = finished.unique_key))
       returning *
     ), back as (
       insert into ${tables.live} (${columns}, last_outcome, error_message, ready_at)
       select ${again}, last_outcome, error_message, ${readyAt(due, 'priority')} from gone returning job_id
     ), kept as (${keepAttempt(tables, 'gone')}), hint as materialized (select pg_notify($3::text, 'due') from back)
     select job_id from back left join hint on true`,
    [request.jobId, request.now, tables.channel],
  )
  return redriven.rows.length > 0
}
