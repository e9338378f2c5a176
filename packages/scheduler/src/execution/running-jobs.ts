import type { BelfryError } from '../errors.ts'
import type { ClaimedJob } from '../store/claim-jobs.ts'

/** A job whose handler runs in this process. */
export interface RunningJob {
  readonly job: ClaimedJob
  readonly leaseToken: string
  /** The handler's signal follows this; the first reason counts. */
  readonly controller: AbortController
}

/** The jobs that run in this process at this moment. */
export class RunningJobs {
  readonly #jobs = new Map<string, RunningJob>()
  readonly #byType = new Map<string, number>()
  #waiting: (() => void)[] = []

  get size(): number {
    return this.#jobs.size
  }

  countOf(jobType: string): number {
    return this.#byType.get(jobType) ?? 0
  }

  add(running: RunningJob): void {
    this.#jobs.set(running.leaseToken + running.job.job_id, running)
    this.#byType.set(running.job.job_type, this.countOf(running.job.job_type) + 1)
  }

  remove(running: RunningJob): void {
    if (!this.#jobs.delete(running.leaseToken + running.job.job_id)) return
    this.#byType.set(running.job.job_type, this.countOf(running.job.job_type) - 1)
    if (this.#jobs.size > 0) return
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  all(): RunningJob[] {
    return [...this.#jobs.values()]
  }

  /** Tells the handler of a job to stop, if it runs here. */
  abort(jobId: string, reason: BelfryError): void {
    for (const running of this.#jobs.values()) if (running.job.job_id === jobId) running.controller.abort(reason)
  }

  abortAll(reason: BelfryError): void {
    for (const running of this.#jobs.values()) running.controller.abort(reason)
  }

  /** Resolves when nothing runs here. */
  whenIdle(): Promise<void> {
    if (this.#jobs.size === 0) return Promise.resolve()
    return new Promise(resolve => this.#waiting.push(resolve))
  }
}
