import type { BelfryError } from '../errors.ts'
import type { HeldJob } from './held-job.ts'

/** What is known of one type's jobs in this process. */
export class TypeLoad {
  running = 0
  /** Claimed and not started yet. */
  waiting = 0
  /** Calls of its handler that take a slot: one for each running job, or for each running batch. */
  slots = 0
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
  #slots = 0
  #waitingSlots = 0

  /** Slots that are taken. A handler that is deaf to its timeout may run without one. */
  get slots(): number {
    return this.#slots
  }

  /** Slots that the waiting jobs will take. */
  get waitingSlots(): number {
    return this.#waitingSlots
  }

  get waitingCount(): number {
    return this.#waiting.size
  }

  get runningCount(): number {
    return this.#running.size
  }

  /** Jobs whose handler runs on although their outcome is settled: their time was up. */
  get overrunCount(): number {
    let count = 0
    for (const held of this.#running) if (held.settled) count += 1
    return count
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
    const load = this.loadOf(held.job.job_type)
    if (load.waiting % sizeOf(held) === 0) this.#waitingSlots += 1
    load.waiting += 1
  }

  /** Not ours any more, before it was started. */
  released(held: HeldJob): void {
    if (!this.#waiting.delete(held)) return
    const load = this.loadOf(held.job.job_type)
    load.waiting -= 1
    if (load.waiting % sizeOf(held) === 0) this.#waitingSlots -= 1
  }

  takeSlot(jobType: string): void {
    this.#slots += 1
    this.loadOf(jobType).slots += 1
  }

  freeSlot(jobType: string): void {
    this.#slots -= 1
    this.loadOf(jobType).slots -= 1
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

/** Jobs that share a slot. */
function sizeOf({ definition }: HeldJob): number {
  return definition.batch?.size ?? 1
}
