import type { Queryable } from '../database/database.ts'
import { msBetween } from './ms-between.ts'
import { isSubjectPaused } from './pauses.ts'
import type { Tables } from './tables.ts'

/** Pending jobs of a type that come due in one hour from now. */
export interface UpcomingRow {
  readonly job_type: string
  /** 0: due already, or within the hour; null: they wait for something else. */
  readonly hour: number | null
  readonly count: number
}

/**
 * Pending jobs by type and hour from now. Those whose deadline comes first are left out. A job that was put aside for its
 * key stands where its key has room for it; one whose key or subject is paused waits for somebody to resume it.
 */
export async function countUpcoming(
  database: Queryable,
  tables: Tables,
  request: { hours: number; now: string | null },
): Promise<UpcomingRow[]> {
  const counted = await database.query<UpcomingRow>(
    `with moment as (select coalesce($1::text::timestamptz, clock_timestamp()) as now)
     select job_type, case when ready_at is distinct from 'infinity'
         and (job_type, lane) not in (select job_type, lane from ${tables.pauses} where lane <> '') is not false
         and not (subjects is not null and ${isSubjectPaused(tables, 'subjects')})
       then floor(greatest(0, ${msBetween('moment.now', 'greatest(scheduled_time, case when lane is not null then ready_at end)')})
         / 3600000)::int end as hour,
       count(*)::float8 as count
     from ${tables.live}, moment
     where lease_token is null and scheduled_time < moment.now + $2::float8 * interval '1 hour'
       and (expires_at is null or expires_at >= greatest(scheduled_time, moment.now))
     group by 1, 2 order by 1, 2`,
    [request.now, request.hours],
  )
  return counted.rows
}
