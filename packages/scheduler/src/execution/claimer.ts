import { randomUUID } from 'node:crypto'
import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { isRefusedAlone } from '../database/database-error.ts'
import type { GovernedClaim, Governor } from '../flow/governor.ts'
import { withoutPaused } from '../flow/paused-subjects.ts'
import { claimJobs, type ClaimedJob, type ClaimRequest, type WantedJobs } from '../store/claim-jobs.ts'
import { dueTypes } from '../store/due-types.ts'
import { slotsFor, type PlannedJobs } from './claim-plan.ts'
import type { LeaseKeeper } from './lease-keeper.ts'
import type { Checks, Revalidator } from './revalidator.ts'
import { TypeTroubles } from './type-troubles.ts'

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
  /** Jobs were claimed that do not run after all: there may be room for others, whatever limits said before. */
  readonly dropped: boolean
  /** Types of which as many came as were asked for: there is probably more. */
  readonly busy: ReadonlySet<string>
  /** Governed types that may start nothing (more) now. */
  readonly blocked: ReadonlySet<string>
  /** When the first of those may go on, in ms; infinity when only an event can tell. */
  readonly againInMs: number
}

/** A claim's transaction stays open while its jobs are asked about: no more than this many at a time. */
const MOST_CHECKED = 20

type Lease = Pick<ClaimRequest, 'runnerId' | 'leaseToken'>

interface ClaimOrder {
  readonly wanted: readonly PlannedJobs[]
  /** Most slots. */
  readonly limit: number
  readonly lookAheadMs: number
}

/** What a claim of ordinary types found. */
interface Together {
  readonly jobs: readonly ClaimedJob[]
  /** With those that do not run after all. */
  readonly seen: readonly ClaimedJob[]
}

/** What a claim of one type found. */
interface Found {
  readonly claimed: number
  /** Rows that were looked at. */
  readonly seen: number
  /** As many as were asked for: there is probably more. */
  readonly filled: boolean
  readonly dropped: boolean
  /** Limits held something back. */
  readonly heldBack: boolean
  readonly againInMs: number | null
}

/** Of a type that is left alone. */
const FOUND_NOTHING = { claimed: 0, seen: 0, filled: false, dropped: false, heldBack: true } as const

/** Jobs of one type that is claimed by itself. */
interface ApartWish {
  readonly jobType: string
  readonly limit: number
  readonly lookAheadMs: number
}

/**
 * Claims by plan: ordinary types in one statement, each governed type under the lock of its limits, each type that is
 * asked again at the claim in a transaction of its own, each type with batches by itself, for its rows are no slots.
 */
export class Claimer {
  readonly #core: Core
  readonly #governor: Governor
  readonly #leaseKeeper: LeaseKeeper
  readonly #revalidator: Revalidator
  /** Types with limits of which the last claim saw due jobs. */
  readonly #busyGoverned = new Set<string>()
  /** Ordinary types claimed one by one, since a claim of several failed: only the one that is to blame shall suffer. */
  readonly #suspected = new Set<string>()
  readonly #troubles: TypeTroubles

  constructor(core: Core, parts: { governor: Governor; leaseKeeper: LeaseKeeper; revalidator: Revalidator }) {
    this.#core = core
    this.#governor = parts.governor
    this.#leaseKeeper = parts.leaseKeeper
    this.#revalidator = parts.revalidator
    this.#troubles = new TypeTroubles(core)
  }

  /** Claims and hands over what comes, statement by statement, so that a later failure cannot take it back. */
  async claim(order: ClaimOrder, accept: (claimed: Claimed) => void): Promise<ClaimResult> {
    const busy = new Set<string>()
    const blocked = new Set<string>()
    let againInMs = Number.POSITIVE_INFINITY
    let claimed = 0
    let slots = 0
    let filled = false
    let dropped = false
    const free = order.wanted.filter(each => !this.#isApart(each))
    if (free.length > 0) {
      const { jobs, seen } = await this.#claimTogether({ ...order, wanted: free }, accept)
      for (const jobType of filledTypes(seen, free)) busy.add(jobType)
      filled = busy.size > 0 || seen.length >= order.limit
      claimed += jobs.length
      slots += jobs.length
    }
    const due = await this.#governedAndDue(order.wanted)
    for (const wish of order.wanted) {
      const { jobType, size } = wish
      const isGoverned = this.#governor.limitsOf(jobType) !== undefined
      if (!this.#isApart(wish) || (isGoverned && !due.has(jobType))) continue
      const limit = Math.min(wish.most, (order.limit - slots) * size)
      if (limit <= 0) continue
      const found = await this.#claimUnlessTroubled({ jobType, limit, lookAheadMs: order.lookAheadMs }, accept)
      claimed += found.claimed
      slots += slotsFor(found.claimed, size)
      dropped ||= found.dropped
      if (isGoverned && found.seen > 0) this.#busyGoverned.add(jobType)
      else this.#busyGoverned.delete(jobType)
      if (found.filled) {
        busy.add(jobType)
        filled = true
      }
      // Only what its limits hold back is not waited for by time.
      if (found.heldBack) blocked.add(jobType)
      againInMs = Math.min(againInMs, found.againInMs ?? Number.POSITIVE_INFINITY)
    }
    return { claimed, filled, dropped, busy, blocked, againInMs }
  }

  #isApart({ jobType, size }: PlannedJobs): boolean {
    if (size > 1 || this.#suspected.has(jobType)) return true
    return this.#governor.limitsOf(jobType) !== undefined || this.#revalidator.checkOf(jobType) !== undefined
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

  /** Ordinary types. If their claim is refused, each of them is claimed by itself instead, until that has gone well. */
  async #claimTogether(order: ClaimOrder, accept: (claimed: Claimed) => void): Promise<Together> {
    const { database, tables } = this.#core
    let seen: readonly ClaimedJob[] = []
    try {
      const jobs = await this.#underLease(accept, async lease => {
        seen = await claimJobs(database, tables, { ...order, ...lease, now: databaseNow(this.#core) })
        return withoutPaused(this.#core, database, { jobs: seen, leaseToken: lease.leaseToken })
      })
      return { jobs, seen }
    } catch (error) {
      if (!isRefusedAlone(error)) throw error
      for (const { jobType } of order.wanted) this.#suspected.add(jobType)
      return { jobs: [], seen: [] }
    }
  }

  /** What goes wrong with one type is told, and the others go on. */
  async #claimUnlessTroubled(wish: ApartWish, accept: (claimed: Claimed) => void): Promise<Found> {
    const { jobType } = wish
    const restMs = this.#troubles.restOf(jobType)
    if (restMs > 0) return { ...FOUND_NOTHING, againInMs: restMs }
    try {
      const found = await this.#claimApart(wish, accept)
      this.#troubles.over(jobType)
      this.#suspected.delete(jobType)
      return found
    } catch (error) {
      return { ...FOUND_NOTHING, againInMs: this.#troubles.note(jobType, error) }
    }
  }

  async #claimApart(wish: ApartWish, accept: (claimed: Claimed) => void): Promise<Found> {
    const { jobType, lookAheadMs } = wish
    const isChecked = this.#revalidator.checkOf(jobType) !== undefined
    const limit = isChecked ? Math.min(wish.limit, MOST_CHECKED) : wish.limit
    let found: GovernedClaim = { jobs: [], seen: 0, heldBack: false, againInMs: null }
    let dropped = false
    const jobs = await this.#underLease(accept, async lease => {
      const checks = isChecked ? this.#revalidator.begin(lease.leaseToken) : undefined
      const request = { ...lease, limit, now: databaseNow(this.#core) }
      if (this.#governor.limitsOf(jobType)) {
        found = await this.#governor.claim(jobType, { ...request, sift: checks?.sift })
      } else {
        // A job whose facts may change until it is due is not taken before.
        const claim = { ...request, wanted: [{ jobType, most: limit }], lookAheadMs: checks ? 0 : lookAheadMs }
        found = await this.#claimUngoverned(claim, checks)
      }
      await checks?.committed()
      dropped = checks?.dropped ?? false
      return found.jobs
    })
    const { seen, heldBack, againInMs } = found
    return { claimed: jobs.length, seen, filled: seen >= limit, dropped, heldBack, againInMs }
  }

  async #claimUngoverned(request: ClaimRequest, checks: Checks | undefined): Promise<GovernedClaim> {
    const { database, tables } = this.#core
    const claim = async (queryable: Queryable) => {
      const claimed = await claimJobs(queryable, tables, request)
      const going = await withoutPaused(this.#core, queryable, { jobs: claimed, leaseToken: request.leaseToken })
      const jobs = checks ? await checks.sift(queryable, going) : going
      return { jobs, seen: claimed.length, heldBack: false, againInMs: null }
    }
    return checks ? database.transaction(claim) : claim(database)
  }

  /** A statement that fails may have been carried out: its lease is then in doubt, and no other's. */
  async #underLease(
    accept: (claimed: Claimed) => void,
    claim: (lease: Lease) => Promise<readonly ClaimedJob[]>,
  ): Promise<readonly ClaimedJob[]> {
    const { clock, events } = this.#core
    const { runnerId } = this.#leaseKeeper
    const leaseToken = randomUUID()
    const sentAt = clock.monotonic()
    try {
      const jobs = await claim({ runnerId, leaseToken })
      if (events.has('runner:claimed')) {
        events.emit('runner:claimed', { runnerId, claimed: jobs.length, durationMs: clock.monotonic() - sentAt })
      }
      if (jobs.length > 0) accept({ jobs, lease: { token: leaseToken, claimedAt: clock.monotonic() } })
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
