import type { BelfryError } from '../errors.ts'
import type { HeldJob } from './held-job.ts'

/** What is known of one type's jobs in this process. */
export class TypeLoad {
  running = 0
  /** Claimed and not started yet. */
  waiting = 0
  /** Moving average of how long a handler takes, in ms; undefined before the first one ended. */
  meanMs: number | undefined
}

/** Weight of the latest run in the moving average: a change of pace is known after some ten runs. */
const LATEST_WEIGHT = 0.1

/** The jobs this process holds at this moment, waiting and running. */
export class HeldJobs {
  readonly #waiting = new Set<HeldJob>()
  readonly #running = new Set<HeldJob>()
  readonly #loads = new Map<string, TypeLoad>()
  #onIdle: (() => void)[] = []

  get waitingCount(): number {
    return this.#waiting.size
  }

  get runningCount(): number {
    return this.#running.size
  }

  loadOf(jobType: string): TypeLoad {
    const known = this.#loads.get(jobType)
    if (known) return known
    const load = new TypeLoad()
    this.#loads.set(jobType, load)
    return load
  }

  claimed(held: HeldJob): void {
    this.#waiting.add(held)
    this.loadOf(held.job.job_type).waiting += 1
  }

  /** Not ours any more, before it was started. */
  released(held: HeldJob): void {
    if (this.#waiting.delete(held)) this.loadOf(held.job.job_type).waiting -= 1
  }

  started(held: HeldJob): void {
    this.released(held)
    this.#running.add(held)
    this.loadOf(held.job.job_type).running += 1
  }

  /** Its handler ended after `durationMs`. */
  ended(held: HeldJob, durationMs: number): void {
    if (!this.#running.delete(held)) return
    const load = this.loadOf(held.job.job_type)
    load.running -= 1
    load.meanMs = load.meanMs === undefined ? durationMs : load.meanMs + LATEST_WEIGHT * (durationMs - load.meanMs)
    if (this.#running.size > 0) return
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  waiting(): ReadonlySet<HeldJob> {
    return this.#waiting
  }

  running(): ReadonlySet<HeldJob> {
    return this.#running
  }

  all(): HeldJob[] {
    return [...this.#waiting, ...this.#running]
  }

  /** Tells the handler of a job to stop, if it is held here. */
  abort(jobId: string, reason: BelfryError): void {
    for (const held of this.#waiting) if (held.job.job_id === jobId) held.abort(reason)
    for (const held of this.#running) if (held.job.job_id === jobId) held.abort(reason)
  }

  abortAll(reason: BelfryError): void {
    for (const held of this.#waiting) held.abort(reason)
    for (const held of this.#running) held.abort(reason)
  }

  /** Resolves when no handler runs here. */
  whenIdle(): Promise<void> {
    if (this.#running.size === 0) return Promise.resolve()
    return new Promise(resolve => this.#onIdle.push(resolve))
  }
}
