import { randomUUID } from 'node:crypto'
import { databaseNow, type Core } from '../core.ts'
import type { Timer } from '../runtime/clock.ts'
import { claimJobs } from '../store/claim-jobs.ts'
import { nextDueInMs } from '../store/next-due.ts'
import type { Executor } from './executor.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import type { RunningJobs } from './running-jobs.ts'
import type { Settler } from './settler.ts'

/** Rows one claim takes at the most. */
const LARGEST_CLAIM = 1_000
/** Unsettled outcomes above which nothing more is claimed: the database cannot keep up. */
const LARGEST_BACKLOG = 2_000
/** Due jobs that could not be claimed (another runner is just taking them) are looked for again after this, doubling. */
const SHORTEST_PAUSE_MS = 10
const LONGEST_FRUITLESS_PAUSE_MS = 1_000
/** Looks in vain after which this runner asks whether it is still in the registry. */
const DOUBTFUL_LOOKS = 3
/** Longest pause between tries while the database is away. */
const LONGEST_ERROR_PAUSE_MS = 5_000
/** Freed slots are collected for this long before the next claim, so that one claim fills many. */
const REFILL_PAUSE_MS = 2
const FIRST_ERROR_PAUSE_MS = 200

interface PollerParts {
  readonly executor: Executor
  readonly settler: Settler
  readonly running: RunningJobs
  readonly leaseKeeper: LeaseKeeper
}

/**
 * Fills free slots with due jobs, then sleeps until the next one is due, a hint comes, a slot is freed while more is
 * known to wait, or the poll interval ends.
 */
export class Poller {
  readonly #core: Core
  readonly #parts: PollerParts
  #stopped = true
  #loop: Promise<void> = Promise.resolve()
  #woken = false
  #timer: Timer | undefined
  #endSleep: () => void = () => {}
  /** Due jobs were left behind for want of a slot. */
  #moreWaiting = false
  #errorPauseMs = FIRST_ERROR_PAUSE_MS
  /** Looks in a row that saw due jobs and could claim none. */
  #fruitless = 0

  constructor(core: Core, parts: PollerParts) {
    this.#core = core
    this.#parts = parts
  }

  start(): void {
    this.#stopped = false
    this.#loop = this.#run()
  }

  /** Claims no more; resolves when no claim is under way. Jobs that run go on. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.wake()
    await this.#loop
  }

  /** Look for due jobs now. */
  wake(): void {
    this.#woken = true
    this.#endSleep()
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

  /** Claims until the slots are full or nothing is due; answers how long to sleep. */
  async #fill(): Promise<number> {
    while (!this.#stopped) {
      this.#moreWaiting = false
      const groups = this.#freeSlots()
      if (groups.length === 0) {
        this.#moreWaiting = true
        return Number.POSITIVE_INFINITY
      }
      let full = false
      let claimed = 0
      for (const group of groups) {
        const count = await this.#claim(group)
        claimed += count
        full ||= count === group.limit
      }
      if (full) continue
      const types = groups.flatMap(group => group.jobTypes)
      const { database, tables } = this.#core
      const nextMs = await nextDueInMs(database, tables, { jobTypes: types, now: databaseNow(this.#core) })
      this.#fruitless = nextMs !== null && nextMs <= 0 && claimed === 0 ? this.#fruitless + 1 : 0
      if (this.#fruitless > 0) return this.#pauseInVain()
      return nextMs === null ? Number.POSITIVE_INFINITY : Math.max(nextMs, SHORTEST_PAUSE_MS)
    }
    return 0
  }

  /** Something is due and cannot be claimed: by chance, or because this runner was declared dead without knowing it. */
  #pauseInVain(): number {
    if (this.#fruitless === DOUBTFUL_LOOKS) this.#parts.leaseKeeper.renewSoon()
    return Math.min(SHORTEST_PAUSE_MS * 2 ** (this.#fruitless - 1), LONGEST_FRUITLESS_PAUSE_MS)
  }

  /** What may be claimed now: types without a limit of their own together, each limited type by itself. */
  #freeSlots(): { jobTypes: string[]; limit: number }[] {
    const { running, settler } = this.#parts
    const { options, registry } = this.#core
    const free = Math.min(options.concurrency - running.size, LARGEST_CLAIM)
    if (free <= 0 || settler.backlog > LARGEST_BACKLOG) return []
    const handled = registry.handledTypes().map(type => ({ type, most: registry.find(type)?.concurrency }))
    const unlimited = handled.filter(each => each.most === undefined).map(each => each.type)
    const limited = handled.flatMap(({ type, most }) => {
      const limit = most === undefined ? 0 : Math.min(free, most - running.countOf(type))
      if (most !== undefined && limit <= 0) this.#moreWaiting = true
      return limit > 0 ? [{ jobTypes: [type], limit }] : []
    })
    return unlimited.length > 0 ? [{ jobTypes: unlimited, limit: free }, ...limited] : limited
  }

  async #claim(group: { jobTypes: readonly string[]; limit: number }): Promise<number> {
    const { options, database, tables } = this.#core
    // An earlier group of this round may have taken slots.
    const limit = Math.min(group.limit, options.concurrency - this.#parts.running.size)
    if (limit <= 0) {
      this.#moreWaiting = true
      return 0
    }
    const leaseToken = randomUUID()
    const jobs = await claimJobs(database, tables, {
      runnerId: this.#parts.leaseKeeper.runnerId,
      leaseToken,
      jobTypes: group.jobTypes,
      limit,
      now: databaseNow(this.#core),
    })
    for (const job of jobs) {
      void this.#parts.executor.run(job, leaseToken).then(() => this.#slotFreed())
    }
    return jobs.length
  }

  #slotFreed(): void {
    if (!this.#moreWaiting || this.#stopped) return
    const free = this.#core.options.concurrency - this.#parts.running.size
    if (free * 2 >= this.#core.options.concurrency) return this.wake()
    this.#timer?.cancel()
    this.#timer = this.#core.clock.setTimer(REFILL_PAUSE_MS, () => this.wake())
  }

  #sleep(ms: number): Promise<void> {
    if (this.#woken || this.#stopped) return Promise.resolve()
    return new Promise(resolve => {
      this.#timer?.cancel()
      this.#timer = this.#core.clock.setTimer(ms, () => this.#endSleep())
      this.#endSleep = () => {
        this.#timer?.cancel()
        this.#endSleep = () => {}
        resolve()
      }
    })
  }
}
