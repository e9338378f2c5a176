import type { Queryable } from '../database/database.ts'
import { OF_LOW_PRIORITY, STANDS_BEHIND } from './ready-at.ts'
import type { Tables } from './tables.ts'

/** Of these types, those that have an unclaimed due job. */
export async function dueTypes(
  database: Queryable,
  { live }: Tables,
  request: { jobTypes: readonly string[]; now: string | null },
): Promise<ReadonlySet<string>> {
  const found = await database.query<{ job_type: string }>(
    `with moment as materialized (select coalesce($2::text::timestamptz, clock_timestamp()) as now)
     select wanted.job_type from unnest($1::text[]) as wanted(job_type)
     where exists (select from ${live} where job_type collate "C" = wanted.job_type and lease_token is null
         and coalesce(ready_at, scheduled_time) <= (select now from moment))
       or exists (select from ${live} where job_type collate "C" = wanted.job_type and lease_token is null
         and ${OF_LOW_PRIORITY} and ${STANDS_BEHIND} and scheduled_time <= (select now from moment))`,
    [request.jobTypes, request.now],
  )
  return new Set(found.rows.map(row => row.job_type))
}
