import type { Queryable } from '../database/database.ts'
import { msBetween } from './ms-between.ts'
import type { Tables } from './tables.ts'

/** Unfinished jobs of one type. */
export interface LiveMeasure {
  readonly job_type: string
  readonly pending: number
  readonly running: number
  readonly due: number
  /** Milliseconds the oldest due job has been waiting; null when nothing is due. */
  readonly oldest_due_ms: number | null
  /** Milliseconds until the next pending job is due; null when none is. */
  readonly next_due_ms: number | null
}

/** Counts unfinished jobs by type, in one pass. Jobs that wait for something else than time are pending and never due. */
export async function measureLive(database: Queryable, tables: Tables, now: string | null): Promise<LiveMeasure[]> {
  const measured = await database.query<LiveMeasure>(
    `select job_type, count(*) filter (where status = 'pending')::float8 as pending,
       count(*) filter (where status = 'running')::float8 as running,
       count(*) filter (where timed and due_in_ms <= 0)::float8 as due,
       - min(due_in_ms) filter (where timed and due_in_ms <= 0) as oldest_due_ms,
       min(due_in_ms) filter (where timed and due_in_ms > 0) as next_due_ms
     from (
       select job_type, status, lease_token is null and ready_at is distinct from 'infinity' as timed,
         ${msBetween('coalesce($1::text::timestamptz, now())', 'scheduled_time')} as due_in_ms
       from ${tables.live}) live
     group by job_type order by job_type`,
    [now],
  )
  return measured.rows
}
