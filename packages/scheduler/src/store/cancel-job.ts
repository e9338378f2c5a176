import type { Queryable } from '../database/database.ts'
import { KEPT_COLUMNS, type Tables } from './tables.ts'

/**
 * What cancelling did: `cancelled` (it was pending and never starts), `requested` (it runs and was asked to stop),
 * `finished` (it was already over), `not_found`.
 */
export type CancelResult = 'cancelled' | 'requested' | 'finished' | 'not_found'

/** Cancels a job. The wish for a running job is a mark in its row plus a hint; the runner that holds it aborts it. */
export async function cancelJob(
  database: Queryable,
  tables: Tables,
  request: { jobId: string; reason: string; now: string | null },
): Promise<CancelResult> {
  // A claim or a settle may slip in between the look and the delete: then nothing matched and a second look finds it.
  for (let look = 0; look < 5; look += 1) {
    const answer = await cancelOnce(database, tables, request)
    if (answer !== 'missed') return answer
  }
  return 'requested'
}

async function cancelOnce(
  database: Queryable,
  tables: Tables,
  request: { jobId: string; reason: string; now: string | null },
): Promise<CancelResult | 'missed'> {
  const answer = await database.query<{ result: CancelResult | 'missed' }>(
    `with gone as (
       delete from ${tables.live} where job_id = $1::text and lease_token is null returning *
     ), kept as (
       insert into ${tables.finished} (${KEPT_COLUMNS}, status, last_outcome, completed_at, error_message)
       select ${KEPT_COLUMNS}, 'cancelled', 'cancelled', coalesce($3::text::timestamptz, clock_timestamp()), $2::text from gone
     ), asked as (
       update ${tables.live} set cancel_requested = true, error_message = $2::text
       where job_id = $1::text and lease_token is not null returning job_id
     ), hint as materialized (select pg_notify($4::text, 'cancel:' || job_id) from asked
       union all select pg_notify($4::text, 'awaited') from gone where awaited)
     select case when exists (select from gone) then 'cancelled' when exists (select from asked) then 'requested'
       when exists (select from ${tables.live} where job_id = $1::text) then 'missed'
       when exists (select from ${tables.finished} where job_id = $1::text) then 'finished'
       else 'not_found' end as result, (select count(*) from hint) as hints`,
    [request.jobId, request.reason, request.now, tables.channel],
  )
  return answer.rows[0]?.result ?? 'not_found'
}
