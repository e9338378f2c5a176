import type { Core } from '../core.ts'
import { BelfryError } from '../errors.ts'
import type { JobContext } from '../job/context.ts'
import { storable } from '../job/error-record.ts'
import { serializePayload } from '../job/payload.ts'
import type { LogFields, Logger } from '../runtime/logger.ts'
import { setProgress } from '../store/set-progress.ts'
import type { HeldJob } from './held-job.ts'

const MOST_LOG_LINES = 100
const LONGEST_LOG_LINE = 1_000
const LARGEST_PROGRESS_BYTES = 8_192
const NO_LINES: readonly string[] = []

/** What one attempt's handler is given. A class with getters: most handlers ask for little of it. */
export class AttemptContext implements JobContext {
  readonly #core: Core
  readonly #held: HeldJob
  #lines: string[] | undefined
  #logger: Logger | undefined

  constructor(core: Core, held: HeldJob) {
    this.#core = core
    this.#held = held
  }

  get jobId(): string {
    return this.#held.job.job_id
  }
  get jobType(): string {
    return this.#held.job.job_type
  }
  get attempt(): number {
    return this.#held.details.attempt
  }
  get retryCount(): number {
    return this.#held.details.retry_count
  }
  get maxRetries(): number {
    return this.#held.details.max_retries
  }
  get scheduledTime(): Date {
    return new Date(this.#held.job.scheduled_ms)
  }
  get occurrence(): Date | null {
    const ms = this.#held.details.occurrence_ms
    return ms === null ? null : new Date(ms)
  }
  get signal(): AbortSignal {
    return this.#held.signal
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
    return this.#lines ?? NO_LINES
  }

  // Functions by getters: handlers take them out of the context, `(payload, { log }) => …`, and most take none.
  get log(): (line: string) => void {
    return line => {
      this.#lines ??= []
      if (this.#lines.length < MOST_LOG_LINES) this.#lines.push(storable(line, LONGEST_LOG_LINE))
    }
  }
  get progress(): (value: unknown) => Promise<void> {
    return value => this.#storeProgress(value)
  }

  async #storeProgress(value: unknown): Promise<void> {
    const progress = serializePayload(value, this.jobType, LARGEST_PROGRESS_BYTES)
    const { database, tables } = this.#core
    const { leaseToken } = this.#held
    this.#held.progressed = true
    const stored = await setProgress(database, tables, { jobId: this.jobId, leaseToken, progress })
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
