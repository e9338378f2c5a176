import type { Queryable } from '../database/database.ts'
import { FREED_HINT, FREED_KEY, wasInTheWay, type FreedKey } from './freed-key.ts'
import { KEPT_COLUMNS, type Tables } from './tables.ts'

/**
 * What cancelling did: `cancelled` (it was pending and never starts), `requested` (it runs and was asked to stop),
 * `finished` (it was already over), `not_found`.
 */
export type CancelResult = 'cancelled' | 'requested' | 'finished' | 'not_found'

/** What cancelling a job came to. */
export interface CancelledJob {
  readonly result: CancelResult
  /** Others of its key may have waited for it; null: nobody did. Runners are told, too, at the commit. */
  readonly freed: FreedKey | null
}

/** Cancels a job. The wish for a running job is a mark in its row plus a hint; the runner that holds it aborts it. */
export async function cancelJob(
  database: Queryable,
  tables: Tables,
  request: { jobId: string; reason: string; now: string | null },
): Promise<CancelledJob> {
  // A claim or a settle may slip in between the look and the delete: then nothing matched and a second look finds it.
  for (let look = 0; look < 5; look += 1) {
    const { result, freed } = await cancelOnce(database, tables, request)
    if (result !== 'missed') return { result, freed }
  }
  return { result: 'requested', freed: null }
}

async function cancelOnce(
  database: Queryable,
  tables: Tables,
  request: { jobId: string; reason: string; now: string | null },
): Promise<{ result: CancelResult | 'missed'; freed: FreedKey | null }> {
  const answer = await database.query<{ result: CancelResult | 'missed'; freed: FreedKey | null }>(
    `with gone as (
       delete from ${tables.live} where job_id = $1::text and lease_token is null returning *
     ), kept as (
       insert into ${tables.finished} (${KEPT_COLUMNS}, status, last_outcome, completed_at, error_message)
       select ${KEPT_COLUMNS}, 'cancelled', 'cancelled', coalesce($3::text::timestamptz, clock_timestamp()), $2::text from gone
     ), asked as (
       update ${tables.live} set cancel_requested = true, error_message = $2::text
       where job_id = $1::text and lease_token is not null returning job_id
     ), freed as (
       select ${FREED_KEY} as key, ${FREED_HINT} as hint from gone
       where ${wasInTheWay('coalesce($3::text::timestamptz, clock_timestamp())')}
     ), hint as materialized (select pg_notify($4::text, 'cancel:' || job_id) from asked
       union all select pg_notify($4::text, 'awaited') from gone where awaited
       union all select pg_notify($4::text, hint) from freed)
     select case when exists (select from gone) then 'cancelled' when exists (select from asked) then 'requested'
       when exists (select from ${tables.live} where job_id = $1::text) then 'missed'
       when exists (select from ${tables.finished} where job_id = $1::text) then 'finished'
       else 'not_found' end as result, (select key from freed) as freed, (select count(*) from hint) as hints`,
    [request.jobId, request.reason, request.now, tables.channel],
  )
  return answer.rows[0] ?? { result: 'not_found', freed: null }
}
