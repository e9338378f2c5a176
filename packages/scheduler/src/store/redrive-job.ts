import type { Queryable } from '../database/database.ts'
import { broughtBack, LAST_FIRST } from './bring-back.ts'
import type { Tables } from './tables.ts'

/**
 * Gives a failed or cancelled job a new life: pending, due now, with all its retries. Its history stays and its attempts
 * go on counting. False when no such job is failed or cancelled, or when its unique key is another unfinished job's.
 */
export async function redriveJob(
  database: Queryable,
  tables: Tables,
  request: { jobId: string; now: string | null },
): Promise<boolean> {
  const redriven = await database.query<{ job_id: string }>(
    `with last as materialized (
       select * from ${tables.finished} where job_id = $1::text and status in ('failed', 'cancelled')
       order by ${LAST_FIRST} limit 1 for update
     ), ${broughtBack(tables, 'coalesce($2::text::timestamptz, now())')}, hint as materialized (
       select pg_notify($3::text, 'due') from back
     )
     select job_id from back left join hint on true`,
    [request.jobId, request.now, tables.channel],
  )
  return redriven.rows.length > 0
}
