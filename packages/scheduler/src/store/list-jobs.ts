import type { Queryable } from '../database/database.ts'
import type { AttemptOutcome, JobStatus } from '../job/job.ts'
import { Parameters, whereJobs, type JobConditions } from './job-conditions.ts'
import type { Tables } from './tables.ts'

/** A job without what it carries. Times in milliseconds since 1970. */
export interface ListedJobRow {
  readonly job_id: string
  readonly job_type: string
  readonly status: JobStatus
  readonly scheduled_ms: number
  readonly created_ms: number
  /** The creation time to the microsecond, as text: what a cursor needs. */
  readonly created_text: string
  readonly started_ms: number | null
  readonly completed_ms: number | null
  readonly attempt: number
  readonly retry_count: number
  readonly max_retries: number
  readonly lost_count: number
  readonly unique_key: string | null
  readonly error_message: string | null
  readonly error_code: string | null
  readonly last_outcome: AttemptOutcome | null
  readonly cancel_requested: boolean
  readonly runner_id: string | null
  readonly schedule_id: string | null
  readonly occurrence_ms: number | null
  readonly priority: number
  readonly subjects: string[] | null
  readonly tags: string[] | null
  readonly metadata: Record<string, string> | null
  readonly expires_ms: number | null
}

const ms = (column: string, name: string) => `(extract(epoch from ${column}) * 1000)::float8 as ${name}_ms`

const COLUMNS = `job_id, job_type, status, attempt, retry_count, max_retries, lost_count, unique_key, error_message,
  error_code, last_outcome, cancel_requested, runner_id::text, schedule_id, priority, subjects, tags, metadata,
  to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_text,
  ${ms('scheduled_time', 'scheduled')}, ${ms('created_at', 'created')}, ${ms('started_at', 'started')},
  ${ms('completed_at', 'completed')}, ${ms('occurrence', 'occurrence')}, ${ms('expires_at', 'expires')}`

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
