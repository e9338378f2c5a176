import type { Queryable } from '../database/database.ts'
import type { AttemptOutcome, Job, JobStatus } from '../job/job.ts'
import type { Tables } from './tables.ts'

interface JobRow {
  job_id: string
  job_type: string
  status: JobStatus
  payload: unknown
  scheduled_ms: number
  created_ms: number
  started_ms: number | null
  completed_ms: number | null
  attempt: number
  retry_count: number
  max_retries: number
  lost_count: number
  unique_key: string | null
  error_message: string | null
  last_outcome: AttemptOutcome | null
  result: unknown
  progress: unknown
  cancel_requested: boolean
  runner_id: string | null
  schedule_id: string | null
  occurrence_ms: number | null
  priority: number
  subjects: string[] | null
  tags: string[] | null
  metadata: Record<string, string> | null
  expires_ms: number | null
}

const COLUMNS = `job_id, job_type, status, payload, attempt, retry_count, max_retries, lost_count, unique_key,
  error_message, last_outcome, result, progress, cancel_requested, runner_id::text, schedule_id,
  priority, subjects, tags, metadata, date_part('epoch', expires_at) * 1000 as expires_ms,
  (extract(epoch from scheduled_time) * 1000)::float8 as scheduled_ms,
  (extract(epoch from created_at) * 1000)::float8 as created_ms,
  (extract(epoch from started_at) * 1000)::float8 as started_ms,
  (extract(epoch from completed_at) * 1000)::float8 as completed_ms,
  (extract(epoch from occurrence) * 1000)::float8 as occurrence_ms`

/** The job with this id, whatever its status; undefined when there is none (or retention removed it). */
export async function findJob(database: Queryable, tables: Tables, jobId: string): Promise<Job | undefined> {
  const found = await database.query<JobRow>(
    `select ${COLUMNS} from ${tables.jobs} where job_id = $1::text order by completed_at desc nulls first limit 1`,
    [jobId],
  )
  return found.rows[0] && jobOf(found.rows[0])
}

/** The unfinished job that holds a unique key. */
export async function findJobByKey(
  database: Queryable,
  tables: Tables,
  key: { jobType: string; uniqueKey: string },
): Promise<Job | undefined> {
  const found = await database.query<JobRow>(
    `select ${COLUMNS} from ${tables.live} where job_type = $1::text and unique_key = $2::text`,
    [key.jobType, key.uniqueKey],
  )
  return found.rows[0] && jobOf(found.rows[0])
}

/** Jobs whose id begins with a prefix, newest first; for people who type the first characters only. */
export async function findJobsByPrefix(
  database: Queryable,
  tables: Tables,
  request: { prefix: string; limit: number },
): Promise<Job[]> {
  const found = await database.query<JobRow>(
    `select ${COLUMNS} from ${tables.jobs}
     where job_id >= $1::text and job_id < $1::text || U&'\\FFFF' and starts_with(job_id, $1::text)
     order by created_at desc limit $2::int`,
    [request.prefix, request.limit],
  )
  return found.rows.map(jobOf)
}

function jobOf(row: JobRow): Job {
  return {
    jobId: row.job_id,
    jobType: row.job_type,
    status: row.status,
    payload: row.payload,
    scheduledTime: new Date(row.scheduled_ms),
    createdAt: new Date(row.created_ms),
    startedAt: dateOf(row.started_ms),
    completedAt: dateOf(row.completed_ms),
    attempt: row.attempt,
    retryCount: row.retry_count,
    maxRetries: row.max_retries,
    lostCount: row.lost_count,
    uniqueKey: row.unique_key,
    errorMessage: row.error_message,
    lastOutcome: row.last_outcome,
    result: row.result,
    progress: row.progress,
    cancelRequested: row.cancel_requested,
    runnerId: row.runner_id,
    scheduleId: row.schedule_id,
    occurrence: dateOf(row.occurrence_ms),
    priority: row.priority,
    subjects: row.subjects ?? [],
    tags: row.tags ?? [],
    metadata: row.metadata ?? {},
    expiresAt: dateOf(row.expires_ms),
  }
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms)
}
