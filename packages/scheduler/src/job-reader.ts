import type { Core } from './core.ts'
import type { Attempt, Job } from './job/job.ts'
import { requireKey } from './job/job-id.ts'
import { openIfPossible } from './job/stored-payload.ts'
import { findJob, findJobByKey, findJobsByPrefix } from './store/find-job.ts'
import { listAttempts } from './store/list-attempts.ts'

/** Jobs as people ask for them, one by one. Payloads come decrypted where this process has the key. */
export class JobReader {
  readonly #core: Core

  constructor(core: Core) {
    this.#core = core
  }

  async byId(jobId: string): Promise<Job | undefined> {
    const job = await findJob(this.#core.database, this.#core.tables, jobId)
    return job && this.#opened(job)
  }

  async byKey(key: { jobType: string; uniqueKey: string }): Promise<Job | undefined> {
    const job = await findJobByKey(this.#core.database, this.#core.tables, key)
    return job && this.#opened(job)
  }

  async byPrefix(prefix: string, limit: number): Promise<Job[]> {
    const request = { prefix: requireKey(prefix, 'prefix'), limit }
    const jobs = await findJobsByPrefix(this.#core.database, this.#core.tables, request)
    return jobs.map(job => this.#opened(job))
  }

  attempts(jobId: string): Promise<Attempt[]> {
    return listAttempts(this.#core.database, this.#core.tables, jobId)
  }

  #opened(job: Job): Job {
    return { ...job, payload: openIfPossible(this.#core.options.payloadCipher, job.payload, job.jobType) }
  }
}
