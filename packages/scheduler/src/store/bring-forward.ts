import type { Queryable } from '../database/database.ts'
import { readyAt } from './ready-at.ts'
import type { Tables } from './tables.ts'

/**
 * Lets the jobs of a subject come forward that stand aside: due when they were due. Who stood aside for something else is
 * put aside for that again. Answers how many.
 */
export async function bringForward(
  transaction: Queryable,
  { live, channel }: Tables,
  subject: string,
): Promise<number> {
  const brought = await transaction.query<{ count: number }>(
    `with aside as materialized (
       select job_id from ${live} where subjects is not null and subjects @> array[$1::text] and lease_token is null
         and ready_at > ${PLACE} and ready_at < 'infinity'
       order by job_id for no key update
     ), brought as (
       update ${live} live set ready_at = ${readyAt('live.scheduled_time', 'live.priority')}
       from aside where live.job_id = aside.job_id returning 1
     ) select count(*)::int as count, (select count(pg_notify($2::text, 'due')) from (select from brought limit 1) one)
     from brought`,
    [subject, channel],
  )
  return brought.rows[0]?.count ?? 0
}

const PLACE = `coalesce(${readyAt('scheduled_time', 'priority')}, scheduled_time)`
