import type { Queryable } from '../database/database.ts'
import { isNotPaused } from './pauses.ts'
import type { Tables } from './tables.ts'

/** Rows looked at among those that a claim could not take; more is not worth the reading. */
const MOST_PASSED_OVER = 1_000

/**
 * Milliseconds until the next unclaimed job of these types is due (negative: already due), or null when there is none.
 * The database computes the distance, so no runner compares its clock with a stored time.
 *
 * Jobs of high priority stand in the index before their time: of those the earliest time counts, of the others the
 * first in the index. Those of low priority stand behind theirs and have an index of their own.
 */
export async function nextDueInMs(
  database: Queryable,
  tables: Tables,
  request: { jobTypes: readonly string[]; now: string | null },
): Promise<number | null> {
  const answer = await database.query<{ ms: number | null }>(
    `with moment as materialized (select coalesce($2::text::timestamptz, clock_timestamp()) as now)
     select min(date_part('epoch', head.due - moment.now)) * 1000 as ms
     from moment cross join unnest($1::text[]) as wanted(job_type)
     cross join lateral (
       (select min(scheduled_time) as due from (
         select scheduled_time from ${tables.live}
         where job_type collate "C" = wanted.job_type and lease_token is null
           and coalesce(ready_at, scheduled_time) <= (select now from moment)
         limit ${MOST_PASSED_OVER}) passed_over)
       union all
       (select coalesce(ready_at, scheduled_time) from ${tables.live}
         where job_type collate "C" = wanted.job_type and lease_token is null
           and coalesce(ready_at, scheduled_time) > (select now from moment)
           and coalesce(ready_at, scheduled_time) < 'infinity'
         order by coalesce(ready_at, scheduled_time) limit 1)
       union all
       (select scheduled_time from ${tables.live}
         where job_type collate "C" = wanted.job_type and lease_token is null and priority < 0
           and coalesce(ready_at, scheduled_time) < 'infinity'
         order by scheduled_time limit 1)) head
     where ${isNotPaused(tables, 'wanted.job_type')}`,
    [request.jobTypes, request.now],
  )
  return answer.rows[0]?.ms ?? null
}
