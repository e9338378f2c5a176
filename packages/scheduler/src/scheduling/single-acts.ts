import { databaseNow, type Core } from '../core.ts'
import { sendEvent, type SendEventOptions } from '../durable/send-event.ts'
import { idOf, referenceOf, type JobReference, type KeyReference } from '../job/job-reference.ts'
import { cancelJob, type CancelResult } from '../store/cancel-job.ts'
import { findId } from '../store/find-id.ts'
import { redriveJob } from '../store/redrive-job.ts'
import { transactionOf, type TransactionOption } from './transaction-option.ts'

/** The runner of this process: told at once what others hear by NOTIFY. */
interface ActingRunner {
  wake(): void
  abort(jobId: string): void
}

/**
 * What is done to one job that is there already, or told to those that wait. In a caller's transaction it is done if
 * and only if that commits.
 */
export class SingleActs {
  readonly #core: Core
  readonly #runner: ActingRunner

  constructor(core: Core, runner: ActingRunner) {
    this.#core = core
    this.#runner = runner
  }

  async cancel(
    job: JobReference | KeyReference,
    options: { reason?: string } & TransactionOption = {},
  ): Promise<CancelResult> {
    const { database, tables } = this.#core
    const { reason = 'cancelled' } = options
    const transaction = transactionOf(options)
    const queryable = transaction ?? database
    const jobId = await findId(queryable, tables, referenceOf(job))
    if (jobId === undefined) return 'not_found'
    const result = await cancelJob(queryable, tables, { jobId, reason, now: databaseNow(this.#core) })
    if (result === 'requested' && !transaction) this.#runner.abort(jobId)
    return result
  }

  async redrive(job: JobReference, options: TransactionOption): Promise<boolean> {
    const transaction = transactionOf(options)
    const queryable = transaction ?? this.#core.database
    const request = { jobId: idOf(job), now: databaseNow(this.#core) }
    const redriven = await redriveJob(queryable, this.#core.tables, request)
    if (redriven && !transaction) this.#runner.wake()
    return redriven
  }

  async sendEvent(name: string, options: SendEventOptions & TransactionOption): Promise<{ delivered: number }> {
    const parts = { ...this.#core, maxBytes: this.#core.options.maxPayloadBytes }
    const transaction = transactionOf(options)
    const sent = await sendEvent(parts, name, { ...options, transaction })
    if (sent.delivered > 0 && !transaction) this.#runner.wake()
    return sent
  }
}
