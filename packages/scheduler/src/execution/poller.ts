import { databaseNow, type Core } from '../core.ts'
import type { Timer } from '../runtime/clock.ts'
import { nextDueInMs } from '../store/next-due.ts'
import { isRoomy, type ClaimPlan } from './claim-plan.ts'
import type { Claimer, ClaimResult } from './claimer.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { HeldJobs } from './held-jobs.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import type { Settler } from './settler.ts'

/** Jobs due within this time are claimed already, and started by a timer at their instant instead of by a round trip. */
const LOOK_AHEAD_MS = 100
/**
 * Unsettled outcomes above which nothing more is claimed: the database cannot keep up. One batch of the settler's keeps it
 * busy; with 4,000 the jobs held outlived V8's young generation, which cost 6 % of the rate (five rounds of 200,000 jobs).
 */
const LARGEST_BACKLOG = 1_000
/** Due jobs that could not be claimed (another runner is just taking them) are looked for again after this, doubling. */
const SHORTEST_PAUSE_MS = 10
const LONGEST_FRUITLESS_PAUSE_MS = 1_000
/** Looks in vain after which this runner asks whether it is still in the registry. */
const DOUBTFUL_LOOKS = 3
const FIRST_ERROR_PAUSE_MS = 200
/** Longest pause between tries while the database is away. */
const LONGEST_ERROR_PAUSE_MS = 5_000
/** Freed slots are collected for this long before the next claim, so that one claim fills many. */
const REFILL_PAUSE_MS = 2

interface PollerParts {
  readonly claimer: Claimer
  readonly held: HeldJobs
  readonly dispatcher: Dispatcher
  readonly settler: Settler
  readonly leaseKeeper: LeaseKeeper
}

/**
 * Claims due jobs as slots allow, then sleeps until shortly before the next one is due, a hint comes, a slot is freed
 * while more is known to wait, or the poll interval ends.
 */
export class Poller {
  readonly #core: Core
  readonly #parts: PollerParts
  #stopped = true
  #abandoned = false
  #loop: Promise<void> = Promise.resolve()
  #woken = false
  #timer: Timer | undefined
  #refill: Timer | undefined
  #endSleep: () => void = () => {}
  /** When the present sleep ends, by the monotonic clock. */
  #sleepsUntil = 0
  /** Due jobs were left behind for want of a slot. */
  #moreWaiting = false
  /** Types whose last claim was filled. */
  #busy: ReadonlySet<string> = new Set()
  /** Jobs that might be held when the last claim was planned. */
  #capacity = 0
  #errorPauseMs = FIRST_ERROR_PAUSE_MS
  /** Looks in a row that saw due jobs and could claim none. */
  #fruitless = 0

  constructor(core: Core, parts: PollerParts) {
    this.#core = core
    this.#parts = parts
  }

  get active(): boolean {
    return !this.#stopped
  }

  /** Claims, and nothing due is known to be left behind: a new due job may be taken past the queue. */
  get idle(): boolean {
    return !this.#stopped && !this.#moreWaiting
  }

  start(): void {
    this.#stopped = false
    this.#loop = this.#run()
  }

  /** Claims no more; resolves when no claim is under way. Jobs that are held go on. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#refill?.cancel()
    this.wake()
    await this.#loop
  }

  /** A claim that is under way never ends: whatever it answers after all is not wanted. */
  abandon(): void {
    this.#abandoned = true
  }

  /** Look for due jobs now. */
  wake(): void {
    this.#woken = true
    this.#endSleep()
  }

  /** A job will be due in `ms` milliseconds: look no later than then. */
  wakeIn(ms: number): void {
    if (this.#core.clock.monotonic() + ms - LOOK_AHEAD_MS < this.#sleepsUntil) this.wake()
  }

  /** A slot is free. Called for every job, so it does next to nothing when nobody waits for it. */
  slotFreed(): void {
    if (!this.#moreWaiting || this.#refill || this.#stopped) return
    if (this.#isRoomy()) return this.wake()
    this.#refill = this.#core.clock.setTimer(REFILL_PAUSE_MS, () => {
      this.#refill = undefined
      this.wake()
    })
  }

  #isRoomy(): boolean {
    const { held } = this.#parts
    return isRoomy(this.#capacity, held.waitingSlots + held.slots)
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#woken = false
      let pauseMs: number
      try {
        pauseMs = await this.#fill()
        this.#errorPauseMs = FIRST_ERROR_PAUSE_MS
      } catch (error) {
        this.#core.events.emit('database:error', { during: 'claim', error })
        pauseMs = this.#errorPauseMs
        this.#errorPauseMs = Math.min(this.#errorPauseMs * 2, LONGEST_ERROR_PAUSE_MS)
      }
      await this.#sleep(Math.min(pauseMs, this.#core.options.pollIntervalMs))
    }
  }

  /** Claims until there is no room or nothing is due; answers how long to sleep. */
  async #fill(): Promise<number> {
    while (!this.#stopped) {
      const plan = this.#parts.dispatcher.plan(this.#busy)
      this.#capacity = plan.capacity
      if (plan.limit === 0 || this.#parts.settler.backlog > LARGEST_BACKLOG) {
        this.#moreWaiting = true
        return Number.POSITIVE_INFINITY
      }
      const { claimed, filled, dropped, blocked, againInMs } = await this.#claim(plan)
      if (dropped) continue
      if (filled) {
        if (this.#isRoomy()) continue
        return Number.POSITIVE_INFINITY
      }
      const { database, tables } = this.#core
      // What its limits hold back is not waited for by time, or the wait would be none.
      const jobTypes = plan.wanted.map(each => each.jobType).filter(type => !blocked.has(type))
      const request = { jobTypes, now: databaseNow(this.#core) }
      const nextMs = await nextDueInMs(database, tables, request)
      this.#fruitless = nextMs !== null && nextMs <= 0 && claimed === 0 ? this.#fruitless + 1 : 0
      if (this.#fruitless > 0) return this.#pauseInVain()
      const dueInMs = wakeInMs(nextMs)
      return Math.max(Math.min(dueInMs, againInMs), SHORTEST_PAUSE_MS)
    }
    return 0
  }

  /** Something is due and cannot be claimed: by chance, or because this runner was declared dead without knowing it. */
  #pauseInVain(): number {
    if (this.#fruitless === DOUBTFUL_LOOKS) this.#parts.leaseKeeper.renewSoon()
    return Math.min(SHORTEST_PAUSE_MS * 2 ** (this.#fruitless - 1), LONGEST_FRUITLESS_PAUSE_MS)
  }

  /** Claims what was planned, hands it over, and notes which types have more. */
  async #claim({ wanted, limit }: ClaimPlan): Promise<ClaimResult> {
    const order = { wanted, limit, lookAheadMs: LOOK_AHEAD_MS }
    const result = await this.#parts.claimer.claim(order, ({ jobs, lease }) => {
      if (!this.#abandoned) this.#parts.dispatcher.accept(jobs, lease)
    })
    this.#busy = result.busy
    // A type without room was not asked for and may have any number of due jobs.
    this.#moreWaiting = result.filled || wanted.length < this.#core.registry.handled().length
    return result
  }

  #sleep(ms: number): Promise<void> {
    if (this.#woken || this.#stopped) return Promise.resolve()
    this.#sleepsUntil = this.#core.clock.monotonic() + ms
    return new Promise(resolve => {
      this.#timer = this.#core.clock.setTimer(ms, () => this.#endSleep())
      this.#endSleep = () => {
        this.#timer?.cancel()
        this.#sleepsUntil = 0
        this.#endSleep = () => {}
        resolve()
      }
    })
  }
}

/**
 * When to look for the next due job. One that is due within the look-ahead and was not claimed is of a type whose jobs are
 * claimed when they are due: it is looked for then.
 */
function wakeInMs(nextMs: number | null): number {
  if (nextMs === null) return Number.POSITIVE_INFINITY
  return nextMs > LOOK_AHEAD_MS ? nextMs - LOOK_AHEAD_MS : Math.ceil(nextMs)
}
