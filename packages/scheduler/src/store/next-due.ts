import type { Queryable } from '../database/database.ts'
import { keepingPlan } from './keeping-plan.ts'
import { msBetween } from './ms-between.ts'
import { isNotPaused } from './pauses.ts'
import { plannedOnce } from './planned-once.ts'
import { OF_LOW_PRIORITY, STANDS_BEHIND } from './ready-at.ts'
import type { Tables } from './tables.ts'

/** Rows looked at among those that a claim could not take; more is not worth the reading. */
const MOST_PASSED_OVER = 1_000

const NEXT_DUE = 'belfry_next_due_1'

/**
 * Milliseconds until the next unclaimed job of these types is due (negative: already due), or null when there is none.
 * The database computes the distance, so no runner compares its clock with a stored time.
 */
export async function nextDueInMs(
  database: Queryable,
  tables: Tables,
  request: { jobTypes: readonly string[]; now: string | null },
): Promise<number | null> {
  const answer = await keepingPlan<{ ms: number | null }>(
    database,
    `select ms from ${tables.schema}.${NEXT_DUE}($1::text[], $2::text::timestamptz)`,
    [request.jobTypes, request.now],
  )
  return answer.rows[0]?.ms ?? null
}

/**
 * The question as migration 14 makes it. Jobs of high priority stand in the index before their time: of those the
 * earliest time counts, of the others the first in the index. Those of low priority stand behind theirs and have an
 * index of their own.
 */
export function nextDueFunction(tables: Tables): string {
  const ofType = `job_type collate "C" = wanted.job_type and lease_token is null`
  const ready = 'coalesce(ready_at, scheduled_time)'
  return plannedOnce(tables, {
    name: NEXT_DUE,
    takes: 'wanted_types text[], at_time timestamptz',
    answers: 'ms float8',
    body: `return query with moment as materialized (select coalesce(at_time, clock_timestamp()) as now)
     select min(${msBetween('moment.now', 'head.due')})
     from moment cross join unnest(wanted_types) as wanted(job_type)
     cross join lateral (
       (select min(scheduled_time) as due from (
         select scheduled_time from ${tables.live} where ${ofType} and ${ready} <= (select now from moment)
         limit ${MOST_PASSED_OVER}) passed_over)
       union all
       (select ${ready} from ${tables.live}
         where ${ofType} and ${ready} > (select now from moment) and ${ready} < 'infinity'
         order by ${ready} limit 1)
       union all
       (select scheduled_time from ${tables.live} where ${ofType} and ${OF_LOW_PRIORITY} and ${STANDS_BEHIND}
         order by scheduled_time limit 1)) head
     where ${isNotPaused(tables, 'wanted.job_type')};`,
  })
}
