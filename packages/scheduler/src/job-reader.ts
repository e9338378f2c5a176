import { notFound, type Waiters, type WaitForOptions } from './aftermath/waiters.ts'
import type { Core } from './core.ts'
import type { AsStored } from './job/as-stored.ts'
import type { Attempt, Job } from './job/job.ts'
import type { Queryable } from './database/database.ts'
import { idOf, referenceOf, type JobReference, type KeyReference } from './job/job-reference.ts'
import { requireKey } from './job/job-id.ts'
import { openIfPossible, sealedAs } from './job/sealed-value.ts'
import { findJob, findJobByKey, findJobsByPrefix } from './store/find-job.ts'
import { listAttempts } from './store/list-attempts.ts'

/** Jobs as people ask for them, one by one. What is encrypted comes decrypted where this process has the key. */
export class JobReader {
  readonly #core: Core

  constructor(core: Core) {
    this.#core = core
  }

  async find(job: JobReference | KeyReference, transaction?: unknown): Promise<Job | undefined> {
    const { tables } = this.#core
    const by = referenceOf(job)
    const queryable = this.#queryable(transaction)
    const found =
      by.jobId === undefined ? await findJobByKey(queryable, tables, by) : await findJob(queryable, tables, by.jobId)
    return found && this.#opened(found)
  }

  /**
   * The job when it has ended; one that was redriven meanwhile is waited for again.
   * @throws BelfryError as `Waiters.wait` does
   */
  async ended<Result>(jobId: string, waiters: Waiters, options: WaitForOptions): Promise<EndedJob<Result>> {
    for (;;) {
      await waiters.wait(jobId, options)
      const job = await this.find(jobId)
      if (!job) throw notFound(jobId)
      if (hasEnded<Result>(job)) return job
    }
  }

  /** @throws BelfryError `BELFRY_INVALID_JOB_ID`, `BELFRY_INVALID_OPTION` */
  async byPrefix(prefix: string, limit: number): Promise<Job[]> {
    const request = { prefix: requireKey(prefix, 'prefix'), limit }
    const jobs = await findJobsByPrefix(this.#core.database, this.#core.tables, request)
    return jobs.map(job => this.#opened(job))
  }

  attempts(job: JobReference, transaction?: unknown): Promise<Attempt[]> {
    return listAttempts(this.#queryable(transaction), this.#core.tables, idOf(job))
  }

  #queryable(transaction: unknown): Queryable {
    return (transaction as Queryable | undefined) ?? this.#core.database
  }

  #opened(job: Job): Job {
    const open = (stored: unknown, of: string) => openIfPossible(this.#core.options.payloadCipher, stored, of)
    return {
      ...job,
      payload: open(job.payload, sealedAs.payload(job.jobType)),
      result: open(job.result, sealedAs.result(job.jobId)),
      progress: open(job.progress, sealedAs.progress(job.jobId)),
    }
  }
}

/** A job that is over. Only one that has completed has a result. */
export type EndedJob<Result = unknown> = Job &
  (
    | { readonly status: 'completed'; readonly result: AsStored<Result> }
    | { readonly status: 'failed' | 'cancelled'; readonly result: null }
  )

function hasEnded<Result>(job: Job): job is EndedJob<Result> {
  return job.status !== 'pending' && job.status !== 'running'
}
