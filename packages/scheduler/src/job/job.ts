/** Where a job stands. Waiting for a retry, snoozed or scheduled for later is `pending` with a time. */
export type JobStatus = 'pending' | 'running' | 'completed' | 'failed' | 'cancelled'

/** How one attempt ended; each is a row of `job_execution_history`. */
export type AttemptOutcome = 'completed' | 'failed' | 'cancelled' | 'snoozed' | 'interrupted' | 'lost'

/** A job as `getJob` answers it. */
export interface Job {
  readonly jobId: string
  readonly jobType: string
  readonly status: JobStatus
  readonly payload: unknown
  /** When it is due (pending) or was due. */
  readonly scheduledTime: Date
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly completedAt: Date | null
  /** Attempts begun, crashed ones included. */
  readonly attempt: number
  /** Retries spent on errors. */
  readonly retryCount: number
  readonly maxRetries: number
  /** Attempts lost to a crash of their process. */
  readonly lostCount: number
  readonly uniqueKey: string | null
  readonly concurrencyKey: string | null
  /** The last error's message. */
  readonly errorMessage: string | null
  readonly lastOutcome: AttemptOutcome | null
  readonly result: unknown
  readonly progress: unknown
  /** Cancelling was asked for while the job runs. */
  readonly cancelRequested: boolean
  /** The process that runs it. */
  readonly runnerId: string | null
  /** The schedule and its due instant, when a schedule made this job. */
  readonly scheduleId: string | null
  readonly occurrence: Date | null
  readonly priority: number
  /** What the job is about: people, orders, guilds. */
  readonly subjects: readonly string[]
  readonly tags: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
  /** No attempt starts after it. */
  readonly expiresAt: Date | null
}

/** One attempt of a job, as stored in `job_execution_history`. */
export interface Attempt {
  readonly attempt: number
  readonly outcome: AttemptOutcome
  readonly executionTime: Date
  readonly durationMs: number | null
  /** From due to started. */
  readonly waitMs: number | null
  readonly errorCode: string | null
  readonly errorMessage: string | null
  readonly errorStack: string | null
  readonly runnerId: string | null
  readonly log: readonly string[]
}
