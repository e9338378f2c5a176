import type { BelfryError } from '../errors.ts'
import type { HeldJob } from './held-job.ts'
import { TypeLoad } from './type-load.ts'

/** Weight of the latest run in the moving average: a change of pace is known after some ten runs. */
const LATEST_WEIGHT = 0.1

/**
 * The jobs this process holds at this moment, waiting and running, in no order. Called some six times for every job: what
 * is asked rarely is looked for when it is asked.
 *
 * An array whose last element fills a gap, not a Set: V8 links the table that a Set outgrows to its successor, and one
 * such table in the old generation keeps all that follow alive, with every job in them (a third of all job memory was
 * promoted that way, and a scavenge took 15 ms).
 */
export class HeldJobs {
  readonly #held: HeldJob[] = []
  readonly #loads = new Map<string, TypeLoad>()
  #onIdle: (() => void)[] = []
  #slots = 0
  #waitingSlots = 0
  #waiting = 0
  #running = 0

  /** Slots that are taken. A handler that is deaf to its timeout may run without one. */
  get slots(): number {
    return this.#slots
  }

  /** Slots that the waiting jobs will take. */
  get waitingSlots(): number {
    return this.#waitingSlots
  }

  get waitingCount(): number {
    return this.#waiting
  }

  get runningCount(): number {
    return this.#running
  }

  /** Jobs whose handler runs on although their outcome is settled: their time was up. */
  get overrunCount(): number {
    return this.running().filter(held => held.settled).length
  }

  loadOf(jobType: string): TypeLoad {
    const known = this.#loads.get(jobType)
    if (known) return known
    const load = new TypeLoad()
    this.#loads.set(jobType, load)
    return load
  }

  claimed(held: HeldJob): void {
    this.#add(held)
    held.stage = 'waiting'
    this.#waiting += 1
    const load = this.#loadOf(held)
    if (load.waiting % sizeOf(held) === 0) this.#waitingSlots += 1
    load.waiting += 1
  }

  /** Not ours any more, before it was started. */
  released(held: HeldJob): void {
    if (held.stage !== 'waiting') return
    this.#remove(held)
    this.#waitsNoMore(held, undefined)
  }

  takeSlot(held: HeldJob): void {
    this.#slots += 1
    this.#loadOf(held).slots += 1
  }

  freeSlot(held: HeldJob): void {
    this.#slots -= 1
    this.#loadOf(held).slots -= 1
  }

  started(held: HeldJob): void {
    if (held.stage === 'waiting') this.#waitsNoMore(held, 'running')
    else this.#add(held)
    held.stage = 'running'
    this.#running += 1
    this.#loadOf(held).running += 1
  }

  /** Its handler ended after `durationMs`. */
  ended(held: HeldJob, durationMs: number): void {
    if (held.stage !== 'running') return
    this.#remove(held)
    held.stage = undefined
    this.#running -= 1
    const load = this.#loadOf(held)
    load.running -= 1
    load.endedAt = held.startedAt + durationMs
    load.meanMs = load.meanMs === undefined ? durationMs : load.meanMs + LATEST_WEIGHT * (durationMs - load.meanMs)
    if (this.#running > 0) return
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  waiting(): HeldJob[] {
    return this.all().filter(held => held.stage === 'waiting')
  }

  running(): HeldJob[] {
    return this.all().filter(held => held.stage === 'running')
  }

  all(): HeldJob[] {
    return [...this.#held]
  }

  /** Tells the handler of a job to stop, if it is held here. */
  abort(jobId: string, reason: BelfryError): void {
    for (const held of this.#held) if (held.job.job_id === jobId) held.abort(reason)
  }

  abortAll(reason: BelfryError): void {
    for (const held of this.#held) held.abort(reason)
  }

  /** Resolves when no handler runs here. */
  whenIdle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve()
    return new Promise(resolve => this.#onIdle.push(resolve))
  }

  /** Kept with the job: a look-up by name for each call cost as much as all the counting. */
  #loadOf(held: HeldJob): TypeLoad {
    held.load ??= this.loadOf(held.job.job_type)
    return held.load
  }

  #add(held: HeldJob): void {
    held.place = this.#held.push(held) - 1
  }

  #remove(held: HeldJob): void {
    const last = this.#held.pop()
    if (!last || last === held) return
    this.#held[held.place] = last
    last.place = held.place
  }

  #waitsNoMore(held: HeldJob, next: HeldJob['stage']): void {
    held.stage = next
    this.#waiting -= 1
    const load = this.#loadOf(held)
    load.waiting -= 1
    if (load.waiting % sizeOf(held) === 0) this.#waitingSlots -= 1
  }
}

/** Jobs that share a slot. */
function sizeOf({ definition }: HeldJob): number {
  return definition.batch?.size ?? 1
}
