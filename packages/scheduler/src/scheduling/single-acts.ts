import { databaseNow, type Core } from '../core.ts'
import { sendEvent, type SendEventOptions } from '../durable/send-event.ts'
import { wakeFreed } from '../flow/wake-freed.ts'
import { idOf, referenceOf, type JobReference, type KeyReference } from '../job/job-reference.ts'
import { requireOptions } from '../job/known-names.ts'
import { requireReason } from '../job/reason.ts'
import { cancelJob, type CancelResult } from '../store/cancel-job.ts'
import { findId } from '../store/find-id.ts'
import { redriveJob } from '../store/redrive-job.ts'
import { notedAct, type SingleActOptions } from './noted-act.ts'
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
    options: { reason?: string } & SingleActOptions = {},
  ): Promise<CancelResult> {
    const { tables } = this.#core
    const { transaction } = requireOptions(options, 'options')
    const reason = requireReason(options.reason)
    const by = referenceOf(job)
    const { jobId, result, freed } = await notedAct(this.#core, options, async (queryable, note) => {
      const found = await findId(queryable, tables, by)
      if (found === undefined) return { jobId: '', result: 'not_found' as const, freed: null }
      const done = await cancelJob(queryable, tables, { jobId: found, reason, now: databaseNow(this.#core) })
      const acted = done.result === 'cancelled' || done.result === 'requested'
      if (acted) await note({ action: 'cancel_job', target: found, detail: { reason, result: done.result } })
      return { jobId: found, ...done }
    })
    // In a caller's transaction nothing has happened yet: its commit tells the runners.
    if (transaction) return result
    if (result === 'requested') this.#runner.abort(jobId)
    if (freed) {
      await wakeFreed(this.#core, [freed])
      this.#runner.wake()
    }
    return result
  }

  async redrive(job: JobReference, options: SingleActOptions): Promise<boolean> {
    const jobId = idOf(job)
    const redriven = await notedAct(this.#core, options, async (queryable, note) => {
      const done = await redriveJob(queryable, this.#core.tables, { jobId, now: databaseNow(this.#core) })
      if (done) await note({ action: 'redrive_job', target: jobId, detail: {} })
      return done
    })
    if (redriven && !options.transaction) this.#runner.wake()
    return redriven
  }

  async sendEvent(name: string, options: SendEventOptions & TransactionOption): Promise<{ delivered: number }> {
    const transaction = transactionOf(options)
    const sent = await sendEvent(this.#core, name, { ...options, transaction })
    if (sent.delivered > 0 && !transaction) this.#runner.wake()
    return sent
  }
}
