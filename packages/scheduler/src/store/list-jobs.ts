import type { Queryable } from '../database/database.ts'
import { Parameters, whereJobs, type JobConditions } from './job-conditions.ts'
import { JOB_COLUMNS, type JobRow } from './job-row.ts'
import type { Tables } from './tables.ts'

/** A job without what it carries. */
export interface ListedJobRow extends JobRow {
  readonly error_code: string | null
  /** The creation time to the microsecond, as text: what a cursor needs. */
  readonly created_text: string
}

const COLUMNS = `${JOB_COLUMNS}, error_code,
  to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_text`

/** Where a page ends: creation time to the microsecond, and id. */
export interface PageEnd {
  readonly createdAt: string
  readonly jobId: string
}

const HOUR_MS = 3_600_000
/**
 * How far back to look, in turn, until the page is full: a summary index knows where the finished jobs of late lie, so
 * that a million old ones cost the first pages nothing.
 */
const LOOK_BACK_MS: readonly (number | null)[] = [HOUR_MS, 24 * HOUR_MS, null]

/** Jobs that fit, newest first, after the end of an earlier page. The order never changes, whatever becomes of a job. */
export async function listJobs(
  database: Queryable,
  tables: Tables,
  request: { conditions: JobConditions; after: PageEnd | null; limit: number; now: string | null },
): Promise<ListedJobRow[]> {
  const { conditions } = request
  const found = conditions.subject !== undefined || conditions.jobIds !== undefined
  for (const lookBackMs of found ? [null] : LOOK_BACK_MS) {
    const rows = await page(database, tables, { ...request, lookBackMs })
    if (rows.length === request.limit || lookBackMs === null) return rows
  }
  return []
}

async function page(
  database: Queryable,
  { jobs }: Tables,
  request: {
    conditions: JobConditions
    after: PageEnd | null
    limit: number
    now: string | null
    lookBackMs: number | null
  },
): Promise<ListedJobRow[]> {
  const { conditions, after, limit, now, lookBackMs } = request
  const parameters = new Parameters()
  const end = `${parameters.add(after?.createdAt ?? null, 'text')}::timestamptz`
  // Beside the comparison of rows below, which the summary index cannot use.
  const parts = [whereJobs(conditions, parameters), `created_at <= coalesce(${end}, 'infinity')`]
  if (after) parts.push(`(created_at, job_id) < (${end}, ${parameters.add(after.jobId, 'text')})`)
  if (lookBackMs !== null) {
    const from = `coalesce(${end}, ${parameters.add(now, 'text')}::timestamptz, now())`
    parts.push(`created_at >= ${from} - ${parameters.add(lookBackMs, 'float8')} * interval '1 millisecond'`)
  }
  const found = await database.query<ListedJobRow>(
    `select ${COLUMNS} from ${jobs} where ${parts.join(' and ')}
     order by created_at desc, job_id desc limit ${parameters.add(limit, 'int')}`,
    parameters.values,
  )
  return found.rows
}
