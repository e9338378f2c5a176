import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/**
 * Milliseconds until the next unclaimed job of these types is due (negative: already due), or null when there is none.
 * The database computes the distance, so no runner compares its clock with a stored time.
 */
export async function nextDueInMs(
  database: Queryable,
  tables: Tables,
  request: { jobTypes: readonly string[]; now: string | null },
): Promise<number | null> {
  const answer = await database.query<{ ms: number }>(
    `select (extract(epoch from scheduled_time - coalesce($2::text::timestamptz, clock_timestamp())) * 1000)::float8 as ms
     from ${tables.live} where lease_token is null and job_type = any($1::text[]) order by scheduled_time limit 1`,
    [request.jobTypes, request.now],
  )
  return answer.rows[0]?.ms ?? null
}
