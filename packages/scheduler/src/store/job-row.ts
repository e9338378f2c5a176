import type { AttemptOutcome, Job, JobStatus } from '../job/job.ts'

/** What readers are told of a job, without what it carries. Times in milliseconds since 1970. */
export interface JobRow {
  readonly job_id: string
  readonly job_type: string
  readonly status: JobStatus
  readonly scheduled_ms: number
  readonly created_ms: number
  readonly started_ms: number | null
  readonly completed_ms: number | null
  readonly attempt: number
  readonly retry_count: number
  readonly max_retries: number
  readonly lost_count: number
  readonly unique_key: string | null
  readonly lane: string | null
  readonly error_message: string | null
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

const inMs = (column: string, name: string) => `(extract(epoch from ${column}) * 1000)::float8 as ${name}_ms`

/** The columns of a `JobRow`. */
export const JOB_COLUMNS = `job_id, job_type, status, attempt, retry_count, max_retries, lost_count, unique_key, lane,
  error_message, last_outcome, cancel_requested, runner_id::text, schedule_id, priority, subjects, tags, metadata,
  ${inMs('scheduled_time', 'scheduled')}, ${inMs('created_at', 'created')}, ${inMs('started_at', 'started')},
  ${inMs('completed_at', 'completed')}, ${inMs('occurrence', 'occurrence')}, ${inMs('expires_at', 'expires')}`

export function jobOfRow(row: JobRow): Omit<Job, 'payload' | 'result' | 'progress'> {
  return {
    jobId: row.job_id,
    jobType: row.job_type,
    status: row.status,
    scheduledTime: new Date(row.scheduled_ms),
    createdAt: new Date(row.created_ms),
    startedAt: dateOf(row.started_ms),
    completedAt: dateOf(row.completed_ms),
    attempt: row.attempt,
    retryCount: row.retry_count,
    maxRetries: row.max_retries,
    lostCount: row.lost_count,
    uniqueKey: row.unique_key,
    concurrencyKey: row.lane,
    errorMessage: row.error_message,
    lastOutcome: row.last_outcome,
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
