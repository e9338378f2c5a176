import type { Queryable } from '../database/database.ts'
import type { LaneRow } from './lanes.ts'
import type { Tables } from './tables.ts'

/** Flow state of a type as a whole. */
export interface TypeLaneRow extends LaneRow {
  readonly job_type: string
}

/** The state of types, for somebody who looks and decides nothing: no row is locked. Pauses of whole types are no part. */
export async function readTypeLanes(
  database: Queryable,
  tables: Tables,
  request: { jobTypes: readonly string[]; now: string | null },
): Promise<TypeLaneRow[]> {
  const found = await database.query<TypeLaneRow>(
    `select wanted.job_type, '' as lane, known.limits, coalesce(known.starts, '[]') as starts, known.memory,
       coalesce(known.failures, 0) as failures, date_part('epoch', known.paused_until) * 1000 as paused_until_ms,
       false as paused,
       (select count(*)::int from ${tables.live} live
         where live.job_type collate "C" = wanted.job_type and live.admitted) as running,
       0 as tried,
       date_part('epoch', coalesce($2::text::timestamptz, clock_timestamp())) * 1000 as now_ms
     from unnest($1::text[]) as wanted(job_type)
     left join ${tables.lanes} known on known.job_type = wanted.job_type and known.lane = ''`,
    [request.jobTypes, request.now],
  )
  return found.rows
}
