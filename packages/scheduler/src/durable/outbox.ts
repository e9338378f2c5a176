import type { Queryable } from '../database/database.ts'
import type { AnyJobDefinition } from '../job/definition.ts'
import type { JobOptions } from '../job/job-options.ts'
import type { NewJob } from '../store/new-job.ts'

/** A job that was checked at the door and is stored when the attempt that wants it completes. */
export interface FollowingJob {
  readonly definition: AnyJobDefinition
  readonly payload: unknown
  readonly options: JobOptions
  readonly row: NewJob
}

/** What scheduling does for attempts; handed in, since it lies outside of this room. */
export interface FollowingJobs {
  /** Rejects with what scheduling would say of such a job. */
  check(job: string | AnyJobDefinition, payload: unknown, options: JobOptions): Promise<FollowingJob>
  /** Stores checked jobs in an open transaction: all or none. */
  store(transaction: Queryable, jobs: readonly FollowingJob[]): Promise<void>
}

/** The jobs one attempt wants to exist if, and only if, it completes. */
export class Outbox {
  readonly #checks: Promise<FollowingJob>[] = []

  /** Takes in a job whose check is under way; answers its id once it is known to be storable. */
  async add(check: Promise<FollowingJob>): Promise<{ jobId: string }> {
    this.#checks.push(check)
    const { row } = await check
    return { jobId: row.jobId }
  }

  /** Every job that passed its check, in the order of the calls. Whoever asked for one that did not was told. */
  async collect(): Promise<readonly FollowingJob[]> {
    const checked = await Promise.allSettled(this.#checks)
    return checked.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
  }
}
