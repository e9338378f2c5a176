import type { Core } from '../core.ts'
import { BelfryError } from '../errors.ts'
import type { JobContext } from '../job/context.ts'
import { storable } from '../job/error-record.ts'
import { serializePayload } from '../job/payload.ts'
import type { LogFields, Logger } from '../runtime/logger.ts'
import { setProgress } from '../store/set-progress.ts'
import type { RunningJob } from './running-jobs.ts'

const MOST_LOG_LINES = 100
const LONGEST_LOG_LINE = 1_000
const LARGEST_PROGRESS_BYTES = 8_192

/** What one attempt's handler is given. A class with getters: most handlers ask for little of it. */
export class AttemptContext implements JobContext {
  readonly #core: Core
  readonly #running: RunningJob
  readonly #lines: string[] = []
  #logger: Logger | undefined

  constructor(core: Core, running: RunningJob) {
    this.#core = core
    this.#running = running
  }

  get jobId(): string {
    return this.#running.job.job_id
  }
  get jobType(): string {
    return this.#running.job.job_type
  }
  get attempt(): number {
    return this.#running.job.attempt
  }
  get retryCount(): number {
    return this.#running.job.retry_count
  }
  get maxRetries(): number {
    return this.#running.job.max_retries
  }
  get scheduledTime(): Date {
    return new Date(this.#running.job.scheduled_ms)
  }
  get occurrence(): Date | null {
    const { occurrence_ms: ms } = this.#running.job
    return ms === null ? null : new Date(ms)
  }
  get signal(): AbortSignal {
    return this.#running.controller.signal
  }
  get logger(): Logger {
    this.#logger ??= withFields(this.#core.options.logger, {
      job_id: this.jobId,
      job_type: this.jobType,
      attempt: this.attempt,
    })
    return this.#logger
  }
  /** Lines kept so far. */
  get lines(): readonly string[] {
    return this.#lines
  }

  // Fields, not methods: handlers take them out of the context, `(payload, { log }) => …`.
  readonly log = (line: string): void => {
    if (this.#lines.length < MOST_LOG_LINES) this.#lines.push(storable(line, LONGEST_LOG_LINE))
  }

  readonly progress = async (value: unknown): Promise<void> => {
    const progress = serializePayload(value, this.jobType, LARGEST_PROGRESS_BYTES)
    const { database, tables } = this.#core
    const stored = await setProgress(database, tables, {
      jobId: this.jobId,
      leaseToken: this.#running.leaseToken,
      progress,
    })
    if (!stored) throw new BelfryError('BELFRY_LEASE_LOST', `job ${this.jobId} is held by another runner by now`)
  }
}

function withFields(logger: Logger, fixed: LogFields): Logger {
  return {
    debug: (fields, message) => logger.debug({ ...fixed, ...fields }, message),
    info: (fields, message) => logger.info({ ...fixed, ...fields }, message),
    warn: (fields, message) => logger.warn({ ...fixed, ...fields }, message),
    error: (fields, message) => logger.error({ ...fixed, ...fields }, message),
  }
}
