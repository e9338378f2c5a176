import { randomUUID } from 'node:crypto'
import { databaseNow, type Core } from '../core.ts'
import type { Governor } from '../flow/governor.ts'
import { claimJobs, type ClaimedJob, type WantedJobs } from '../store/claim-jobs.ts'
import { dueTypes } from '../store/due-types.ts'
import type { LeaseKeeper } from './lease-keeper.ts'

/** Jobs that came under one lease. */
export interface Claimed {
  readonly jobs: readonly ClaimedJob[]
  readonly lease: { readonly token: string; readonly claimedAt: number }
}

/** What a look for due jobs found out. */
export interface ClaimResult {
  readonly claimed: number
  /** There is probably more. */
  readonly filled: boolean
  /** Types of which as many came as were asked for: there is probably more. */
  readonly busy: ReadonlySet<string>
  /** Governed types that may start nothing (more) now. */
  readonly blocked: ReadonlySet<string>
  /** When the first of those may go on, in ms; infinity when only an event can tell. */
  readonly againInMs: number
}

interface ClaimOrder {
  readonly wanted: readonly WantedJobs[]
  readonly limit: number
  readonly lookAheadMs: number
}

/** Claims by plan: types without limits in one statement, each governed type under the lock of its limits. */
export class Claimer {
  readonly #core: Core
  readonly #governor: Governor
  readonly #leaseKeeper: LeaseKeeper
  /** Types with limits of which the last claim saw due jobs. */
  readonly #busyGoverned = new Set<string>()

  constructor(core: Core, parts: { governor: Governor; leaseKeeper: LeaseKeeper }) {
    this.#core = core
    this.#governor = parts.governor
    this.#leaseKeeper = parts.leaseKeeper
  }

  /** Claims and hands over what comes, statement by statement, so that a later failure cannot take it back. */
  async claim(order: ClaimOrder, accept: (claimed: Claimed) => void): Promise<ClaimResult> {
    const busy = new Set<string>()
    const blocked = new Set<string>()
    let againInMs = Number.POSITIVE_INFINITY
    let claimed = 0
    let filled = false
    const free = order.wanted.filter(each => !this.#governor.limitsOf(each.jobType))
    if (free.length > 0) {
      const jobs = await this.#underLease(accept, ({ runnerId, leaseToken }) =>
        this.#claimFree({ ...order, wanted: free }, { runnerId, leaseToken }),
      )
      for (const jobType of filledTypes(jobs, free)) busy.add(jobType)
      filled = busy.size > 0 || jobs.length >= order.limit
      claimed += jobs.length
    }
    const due = await this.#governedAndDue(order.wanted)
    for (const { jobType, most } of order.wanted) {
      const limit = Math.min(most, order.limit - claimed)
      if (limit <= 0 || !due.has(jobType)) continue
      const found = await this.#claimGoverned({ jobType, limit }, accept)
      claimed += found.jobs
      if (found.seen > 0) this.#busyGoverned.add(jobType)
      else this.#busyGoverned.delete(jobType)
      if (found.seen >= limit) {
        busy.add(jobType)
        filled = true
      }
      if (found.heldBack) blocked.add(jobType)
      againInMs = Math.min(againInMs, found.againInMs ?? Number.POSITIVE_INFINITY)
    }
    return { claimed, filled, busy, blocked, againInMs }
  }

  /** A look that takes no lock spares idle processes the transaction of a claim; who had more last time is not asked. */
  async #governedAndDue(wanted: readonly WantedJobs[]): Promise<ReadonlySet<string>> {
    const governed = wanted.map(each => each.jobType).filter(jobType => this.#governor.limitsOf(jobType))
    const idle = governed.filter(jobType => !this.#busyGoverned.has(jobType))
    if (idle.length === 0) return new Set(governed)
    const { database, tables } = this.#core
    const due = await dueTypes(database, tables, { jobTypes: idle, now: databaseNow(this.#core) })
    return new Set(governed.filter(jobType => due.has(jobType) || this.#busyGoverned.has(jobType)))
  }

  #claimFree(order: ClaimOrder, lease: { runnerId: string; leaseToken: string }): Promise<ClaimedJob[]> {
    const { database, tables } = this.#core
    return claimJobs(database, tables, { ...order, ...lease, now: databaseNow(this.#core) })
  }

  async #claimGoverned(
    wish: { jobType: string; limit: number },
    accept: (claimed: Claimed) => void,
  ): Promise<{ jobs: number; seen: number; heldBack: boolean; againInMs: number | null }> {
    let seen = 0
    let heldBack = false
    let againInMs: number | null = null
    const jobs = await this.#underLease(accept, async lease => {
      const found = await this.#governor.claim(wish.jobType, {
        ...lease,
        limit: wish.limit,
        now: databaseNow(this.#core),
      })
      seen = found.seen
      heldBack = found.heldBack
      againInMs = found.againInMs
      return found.jobs
    })
    return { jobs: jobs.length, seen, heldBack, againInMs }
  }

  /** A statement that fails may have been carried out: its lease is then in doubt, and no other's. */
  async #underLease(
    accept: (claimed: Claimed) => void,
    claim: (lease: { runnerId: string; leaseToken: string }) => Promise<readonly ClaimedJob[]>,
  ): Promise<readonly ClaimedJob[]> {
    const leaseToken = randomUUID()
    try {
      const jobs = await claim({ runnerId: this.#leaseKeeper.runnerId, leaseToken })
      if (jobs.length > 0) accept({ jobs, lease: { token: leaseToken, claimedAt: this.#core.clock.monotonic() } })
      return jobs
    } catch (error) {
      this.#leaseKeeper.doubt(leaseToken)
      throw error
    }
  }
}

function filledTypes(jobs: readonly ClaimedJob[], wanted: readonly WantedJobs[]): string[] {
  const counts = new Map<string, number>()
  for (const { job_type: type } of jobs) counts.set(type, (counts.get(type) ?? 0) + 1)
  return wanted.filter(each => (counts.get(each.jobType) ?? 0) >= each.most).map(each => each.jobType)
}
