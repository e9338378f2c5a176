import { databaseNow, type Core } from '../core.ts'
import type { AnyJobDefinition } from '../job/definition.ts'
import type { Timer } from '../runtime/clock.ts'
import type { ClaimedJob } from '../store/claim-jobs.ts'
import { releaseJobs } from '../store/release-jobs.ts'
import { planClaim, type ClaimPlan } from './claim-plan.ts'
import type { Executor } from './executor.ts'
import { BatchQueue } from './batch-queue.ts'
import { HeldJob, isLastChance } from './held-job.ts'
import type { HeldJobs } from './held-jobs.ts'
import type { TypeLoad } from './type-load.ts'

/** A claimed job that could not start within this time is given back: its slot is taken by something slow. */
const LONGEST_WAIT_MS = 1_000
/** All slots taken, of the process or of a type, and none freed for this long: the pace of late says nothing any more. */
const STALLED_AFTER_MS = 100
/** A job whose process crashed so often before is on its last chance; such jobs run one at a time. */
const LAST_CHANCE_DELAY_MS = 1_000

interface DispatcherParts {
  readonly held: HeldJobs
  readonly executor: Executor
  /** The type has limits over all processes. */
  readonly isGoverned: (jobType: string) => boolean
  /** A slot was freed; more may be claimed. */
  readonly onFree: () => void
  /** These could not be given back now. */
  readonly onUnreleased: (jobs: readonly { jobId: string; leaseToken: string }[]) => void
}

/** The due jobs of one type, oldest first; never empty. */
interface DueQueue {
  readonly definition: AnyJobDefinition
  readonly load: TypeLoad
  readonly jobs: HeldJob[]
}

/** Starts claimed jobs at their instant, as slots allow, in the order they were claimed within each type. */
export class Dispatcher {
  readonly #core: Core
  readonly #parts: DispatcherParts
  /** Due jobs by type, waiting for a slot. */
  readonly #due = new Map<string, DueQueue>()
  /** Jobs whose instant has not come, earliest first. */
  #ahead: HeldJob[] = []
  #aheadTimer: Timer | undefined
  #reviewTimer: Timer | undefined
  #freedAt = 0
  readonly #onEnded = () => this.#slotFreed()
  readonly #batches: BatchQueue

  constructor(core: Core, parts: DispatcherParts) {
    this.#core = core
    this.#parts = parts
    this.#batches = new BatchQueue(core.clock, () => this.#startDue())
  }

  /** What to claim now, for the types that have a handler here; `busy` names those whose last claim was filled. */
  plan(busy: ReadonlySet<string>): ClaimPlan {
    const { options, registry, clock } = this.#core
    const { held } = this.#parts
    const stale = (endedAt: number) => clock.monotonic() - endedAt > STALLED_AFTER_MS
    const types = registry.handled().map(definition => {
      const load = held.loadOf(definition.type)
      const concurrency = this.#mostOf(definition)
      return {
        jobType: definition.type,
        concurrency,
        running: load.slots,
        waiting: load.waiting,
        size: definition.batch?.size ?? 1,
        meanMs: load.meanMs,
        busy: busy.has(definition.type),
        claimsAhead: !definition.revalidate && !(load.slots >= concurrency && stale(load.endedAt)),
      }
    })
    const stalled = held.slots >= options.concurrency && stale(this.#freedAt)
    return planClaim(types, { concurrency: options.concurrency, stalled })
  }

  /** Whether a job of this type that is due now would start at once, when `reserved` slots are promised already. */
  hasSlotFor(jobType: string, reserved: number): boolean {
    const { options, registry } = this.#core
    const { held } = this.#parts
    const definition = registry.find(jobType)
    // Batches gather in the claim, and what is asked again at the claim must not get past it.
    if (!definition?.handler || definition.revalidate) return false
    // A governed type's jobs are admitted one claim after another, never in passing.
    if (this.#parts.isGoverned(jobType)) return false
    if (held.slots + held.waitingSlots + reserved >= options.concurrency) return false
    const load = held.loadOf(jobType)
    return load.slots + load.waiting + reserved < this.#mostOf(definition)
  }

  /** Takes in jobs that were claimed under a lease. */
  accept(jobs: readonly ClaimedJob[], lease: { token: string; claimedAt: number }): void {
    const { registry } = this.#core
    const surplus: HeldJob[] = []
    for (const job of jobs) {
      const held = new HeldJob(job, registry.findOrDefault(job.job_type), lease)
      this.#parts.held.claimed(held)
      if (isLastChance(held) && this.#anotherLastChance(held)) surplus.push(held)
      else if (held.dueAt > lease.claimedAt) this.#ahead.push(held)
      else this.#enqueue(held)
    }
    if (surplus.length > 0) this.#release(surplus, LAST_CHANCE_DELAY_MS)
    if (this.#ahead.length > 0) {
      this.#ahead.sort((a, b) => a.dueAt - b.dueAt)
      this.#armAhead()
    }
    this.#startDue()
    this.#review()
  }

  /** Starts nothing any more of what was accepted. */
  close(): void {
    this.#aheadTimer?.cancel()
    this.#batches.stop()
    this.#reviewTimer?.cancel()
    this.#reviewTimer = undefined
    this.#due.clear()
    this.#ahead = []
  }

  /** Gives back everything that was not started; resolves when the database knows. */
  async releaseWaiting(): Promise<void> {
    const waiting = this.#parts.held.waiting()
    if (waiting.length > 0) await this.#giveBack(waiting, 0)
  }

  #enqueue(held: HeldJob): void {
    const { definition, job } = held
    const queue = this.#due.get(job.job_type)
    if (queue) queue.jobs.push(held)
    else this.#due.set(job.job_type, { definition, load: this.#parts.held.loadOf(job.job_type), jobs: [held] })
  }

  /** Types take turns, so that a long queue of one does not hold up the others. */
  #startDue(): void {
    const { options } = this.#core
    const { held, executor } = this.#parts
    for (let progress = true; progress; ) {
      progress = false
      for (const { definition, load, jobs } of this.#due.values()) {
        if (held.slots >= options.concurrency) return
        if (load.slots >= this.#mostOf(definition)) continue
        if (definition.batch) {
          const batch = this.#batches.take(jobs, definition.batch)
          if (batch.length === 0) continue
          executor.startBatch(batch, this.#onEnded)
        } else {
          const next = jobs.shift()
          if (next) executor.start(next, this.#onEnded)
        }
        if (jobs.length === 0) this.#due.delete(definition.type)
        progress = true
      }
    }
  }

  /** Calls of a type's handler that may run at the same time, as things are. */
  #mostOf(definition: AnyJobDefinition): number {
    const { concurrency } = this.#core.options
    const most = Math.min(definition.concurrency ?? concurrency, concurrency)
    if (!definition.transactional) return most
    const { held, executor } = this.#parts
    return Math.min(most, held.loadOf(definition.type).slots + Math.max(0, executor.freeTransactions))
  }

  #slotFreed(): void {
    this.#freedAt = this.#core.clock.monotonic()
    if (this.#due.size > 0) this.#startDue()
    this.#parts.onFree()
  }

  #armAhead(): void {
    this.#aheadTimer?.cancel()
    const [next] = this.#ahead
    if (!next) return
    const { clock } = this.#core
    this.#aheadTimer = clock.setTimer(Math.max(0, next.dueAt - clock.monotonic()), () => {
      const now = clock.monotonic()
      const due = this.#ahead.findIndex(held => held.dueAt > now)
      const ripe = this.#ahead.splice(0, due === -1 ? this.#ahead.length : due)
      for (const held of ripe) this.#enqueue(held)
      this.#startDue()
      this.#armAhead()
    })
  }

  /** Looks, once a second while jobs wait, for those that have waited too long. */
  #review(): void {
    const { clock } = this.#core
    if (this.#reviewTimer || this.#parts.held.waitingCount === 0) return
    this.#reviewTimer = clock.setTimer(LONGEST_WAIT_MS, () => {
      this.#reviewTimer = undefined
      const now = clock.monotonic()
      const late = this.#parts.held
        .waiting()
        .filter(({ dueAt, definition }) => now - dueAt >= LONGEST_WAIT_MS + (definition.batch?.waitMs ?? 0))
      if (late.length > 0) this.#release(late, 0)
      this.#review()
    })
  }

  #release(jobs: readonly HeldJob[], delayMs: number): void {
    this.#giveBack(jobs, delayMs).catch((error: unknown) => {
      this.#parts.onUnreleased(jobs.map(held => ({ jobId: held.job.job_id, leaseToken: held.leaseToken })))
      this.#core.events.emit('database:error', { during: 'give back', error })
    })
  }

  async #giveBack(jobs: readonly HeldJob[], delayMs: number): Promise<void> {
    for (const held of jobs) this.#forget(held)
    const { database, tables, registry } = this.#core
    await releaseJobs(database, tables, {
      jobs: jobs.map(held => ({ jobId: held.job.job_id, leaseToken: held.leaseToken })),
      delayMs,
      strictTypes: registry.strictTypes(),
      now: databaseNow(this.#core),
    })
  }

  #forget(held: HeldJob): void {
    this.#parts.held.released(held)
    const jobs = this.#due.get(held.job.job_type)?.jobs
    const at = jobs?.indexOf(held) ?? -1
    if (jobs && at >= 0) jobs.splice(at, 1)
    if (jobs?.length === 0) this.#due.delete(held.job.job_type)
    const aheadAt = this.#ahead.indexOf(held)
    if (aheadAt >= 0) this.#ahead.splice(aheadAt, 1)
  }

  #anotherLastChance(held: HeldJob): boolean {
    return this.#parts.held.all().some(other => other !== held && isLastChance(other))
  }
}
