import { pastDependencies, pastDependency } from '../aftermath/past-dependencies.ts'
import type { Core } from '../core.ts'
import { effectKey } from '../durable/effect-key.ts'
import { confirmEffect, confirmedEffect, sendOnce } from '../durable/effects.ts'
import { attemptEnded, Journal } from '../durable/journal.ts'
import { Outbox, type FollowingJobs } from '../durable/outbox.ts'
import { runStep, sleepThrough } from '../durable/steps.ts'
import { waitForEvent } from '../durable/waits.ts'
import { BelfryError } from '../errors.ts'
import type { JobContext } from '../job/context.ts'
import type { AnyJobDefinition } from '../job/definition.ts'
import { storable } from '../job/error-record.ts'
import { requireCost } from '../job/limits.ts'
import { serializePayload } from '../job/payload.ts'
import { sealedAs, sealValue } from '../job/sealed-value.ts'
import type { LogFields, Logger } from '../runtime/logger.ts'
import { countDependencies } from '../store/read-dependencies.ts'
import { setProgress } from '../store/set-progress.ts'
import { watchRunning } from '../store/watch-running.ts'
import type { HeldJob } from './held-job.ts'

const MOST_LOG_LINES = 100
const LONGEST_LOG_LINE = 1_000
const LARGEST_PROGRESS_BYTES = 8_192
const NO_LINES: readonly string[] = []

/** What one attempt's handler is given. A class with getters: most handlers ask for little of it. */
export class AttemptContext implements JobContext {
  readonly #core: Core
  readonly #held: HeldJob
  readonly #following: FollowingJobs
  #lines: string[] | undefined
  #logger: Logger | undefined
  #journal: Journal | undefined
  #outbox: Outbox | undefined

  constructor(core: Core, held: HeldJob, following: FollowingJobs) {
    this.#core = core
    this.#held = held
    this.#following = following
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
  /** The jobs to store if the attempt completes; undefined when its handler asked for none. */
  get outbox(): Outbox | undefined {
    return this.#outbox
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

  get spend(): (amount: number) => void {
    return amount => {
      if (this.#held.settled) throw attemptEnded(this.jobId, this.#held.abortReason)
      this.#held.spent = (this.#held.spent ?? 0) + (requireCost(amount, 'spend: amount') ?? 0)
    }
  }
  get heartbeat(): JobContext['heartbeat'] {
    return () => this.#heartbeat()
  }
  get step(): JobContext['step'] {
    return (name, work) => runStep(this.#durable, name, work) as never
  }
  get sleep(): JobContext['sleep'] {
    return (name, wake) => sleepThrough(this.#durable, name, wake)
  }
  get waitForEvent(): JobContext['waitForEvent'] {
    return (name, options) => waitForEvent(this.#durable, name, options) as never
  }
  get effectKey(): JobContext['effectKey'] {
    return (step = 'effect') => effectKey(this.jobId, step)
  }
  get confirmEffect(): JobContext['confirmEffect'] {
    return async (key, result) => void (await confirmEffect(this.#durable, key, result))
  }
  get confirmedEffect(): JobContext['confirmedEffect'] {
    return key => confirmedEffect(this.#durable, key)
  }
  get once(): JobContext['once'] {
    return (name, send) => sendOnce(this.#durable, name, send) as never
  }
  get schedule(): JobContext['schedule'] {
    return async (job, payload, options = {}) => {
      this.#durable.requireOpen()
      this.#outbox ??= new Outbox()
      return this.#outbox.add(this.#following.check(job as string | AnyJobDefinition, payload, options))
    }
  }

  get dependencies(): JobContext['dependencies'] {
    return () => pastDependencies(this.#core, this.jobId)
  }
  get dependency(): JobContext['dependency'] {
    return name => pastDependency(this.#core, { childId: this.jobId, name })
  }
  get dependencyCounts(): JobContext['dependencyCounts'] {
    return () => countDependencies(this.#core.database, this.#core.tables, this.jobId)
  }

  /** Made when it is first needed: most handlers do nothing durable. */
  get #durable(): Journal {
    if (this.#journal) return this.#journal
    const held = this.#held
    this.#journal = new Journal(this.#core, {
      jobId: this.jobId,
      leaseToken: held.leaseToken,
      attempt: this.attempt,
      get ended() {
        return held.settled
      },
      get abortReason() {
        return held.abortReason
      },
      get signal() {
        return held.signal
      },
      abort: reason => held.abort(reason),
    })
    return this.#journal
  }

  async #heartbeat(): Promise<void> {
    this.#durable.requireOpen()
    const { database, tables } = this.#core
    const [row] = await watchRunning(database, tables, [this.#durable.holder])
    if (!row) throw this.#durable.leaseLost()
    if (row.cancel_requested) this.#held.abort(new BelfryError('BELFRY_JOB_CANCELLED', 'cancelled while running'))
    this.#durable.requireOpen()
  }

  async #storeProgress(value: unknown): Promise<void> {
    if (this.#held.settled) throw attemptEnded(this.jobId, this.#held.abortReason)
    const { database, tables, options } = this.#core
    const text = serializePayload(value, this.jobType, LARGEST_PROGRESS_BYTES)
    const progress = sealValue(options.payloadCipher, text, sealedAs.progress(this.jobId))
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
