import type { Logger } from '../runtime/logger.ts'

/** What a handler is told beside its payload. */
export interface JobContext {
  readonly jobId: string
  readonly jobType: string
  /** 1 for the first attempt; counts every attempt, lost ones included. */
  readonly attempt: number
  readonly retryCount: number
  readonly maxRetries: number
  readonly scheduledTime: Date
  /** The due instant of the schedule that made this job. */
  readonly occurrence: Date | null
  /** Aborts on timeout, cancel, shutdown past its grace period, and a lost lease; `signal.reason` is a BelfryError. */
  readonly signal: AbortSignal
  /** Writes to the scheduler's log with the job's fields. */
  readonly logger: Logger
  /** Keeps a line with this attempt's history row (at most 100 lines of 1,000 characters). */
  readonly log: (line: string) => void
  /** Stores how far the job is (JSON, at most 8 KiB); read it with `getJob`. Resolves when it is stored. */
  readonly progress: (value: unknown) => Promise<void>
}
