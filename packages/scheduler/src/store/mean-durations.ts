import type { Queryable } from '../database/database.ts'
import { sampled, sharesToRead } from './measure-finished.ts'
import type { Tables } from './tables.ts'

/** How long the handler of a type takes. */
export interface MeanDurationRow {
  readonly job_type: string
  readonly mean_ms: number
}

/**
 * Mean duration of the attempts that ended their jobs within 24 hours, of large tables from a sample. A type that had none
 * has no row.
 */
export async function readMeanDurations(
  database: Queryable,
  tables: Tables,
  request: { jobTypes: readonly string[]; now: string | null },
): Promise<MeanDurationRow[]> {
  const [share = 1] = await sharesToRead(database, [tables.finished])
  const measured = await database.query<MeanDurationRow>(
    `select job_type, avg(duration_ms)::float8 as mean_ms
     from ${tables.finished} ${share < 1 ? sampled('$3') : ''}
     where job_type = any($1::text[]) and last_outcome in ('completed', 'failed') and duration_ms is not null
       and completed_at > coalesce($2::text::timestamptz, now()) - interval '24 hours' and $3::float8 > 0
     group by job_type`,
    [request.jobTypes, request.now, share],
  )
  return measured.rows
}
