import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import type { ResolvedBudget, ResolvedLimits } from '../job/limits.ts'
import type { Outcome } from '../job/outcome.ts'
import { lanesThatWait, releaseLanes, wakeLanes } from '../store/admit-jobs.ts'
import type { ClaimedJob } from '../store/claim-jobs.ts'
import { hintDue } from '../store/hint-due.ts'
import { lockType, lockTypeRow, readLanes, saveLanes, type LaneRow } from '../store/lanes.ts'
import { grantForType, outlookAfter } from './admission.ts'
import { afterOutcomes, type EndedJob, type LaneChange } from './breaker.ts'
import { claimInOrder } from './claim-in-order.ts'
import { claimInTurn } from './claim-in-turn.ts'
import type { GovernedRequest } from './governed-request.ts'
import { candidateOf, DEFAULT_COST, limitsIn, stateOf, withMeters } from './lane-state.ts'
import { afterSpending, type Meters } from './meter.ts'
import { limitsThatAreSet } from './set-limits.ts'

/** What a claim of a governed type brought. */
export interface GovernedClaim {
  readonly jobs: readonly ClaimedJob[]
  /** Rows that were looked at: as many as asked for means that there may be more. */
  readonly seen: number
  /** Limits held something back: what is due is not what to wait for. */
  readonly heldBack: boolean
  /** Nothing (more) may start before, in ms from now; null: until something else happens. */
  readonly againInMs: number | null
}

/** Keeps the limits of types over all processes. Types without limits never come here. */
export class Governor {
  readonly #core: Core
  /** Limits that were set at run time. */
  #set: ReadonlyMap<string, ResolvedLimits> = new Map()
  /** When jobs that run here reserved their cost, by the database's clock. */
  readonly #reserved = new WeakMap<ClaimedJob, number>()

  constructor(core: Core) {
    this.#core = core
  }

  /** Reads the limits that were set at run time; at start, when told that they changed, and now and then. */
  async refresh(): Promise<void> {
    this.#set = await limitsThatAreSet(this.#core.database, this.#core.tables)
  }

  limitsOf(jobType: string): ResolvedLimits | undefined {
    return this.#set.get(jobType) ?? this.#core.registry.find(jobType)?.limits
  }

  /**
   * Claims due jobs of a governed type, as many as its limits allow. The type's row is locked meanwhile, so that no two
   * processes admit by the same count.
   */
  claim(jobType: string, request: GovernedRequest): Promise<GovernedClaim> {
    return this.#core.database.transaction(async transaction => {
      const lane = await lockType(transaction, this.#core.tables, { jobType, now: request.now })
      const definition = this.#core.registry.find(jobType)
      const limits = limitsIn(lane, definition)
      const now = { ms: lane.now_ms, wanted: request.limit, cost: definition?.cost ?? DEFAULT_COST }
      const grant = grantForType(limits, stateOf(lane), now)
      const { most } = grant
      const inMs = (atMs: number | null) => (atMs === null ? null : atMs - lane.now_ms)
      if (most === 0) return { jobs: [], seen: 0, heldBack: true, againInMs: inMs(grant.againAtMs) }
      const claim = limits.perKey?.fair ? claimInTurn : claimInOrder
      const found = await claim(this.#core, transaction, { jobType, limits, lane, request, most })
      if (limits.budget || limits.perKey?.budget) for (const job of found.jobs) this.#reserved.set(job, lane.now_ms)
      const { jobs } = found
      const { seen, heldBack, againAtMs } = outlookAfter(
        { ...grant, wanted: request.limit },
        { seen: found.seen, started: jobs.length, againAtMs: found.againAtMs },
      )
      // Where keys take turns nobody steps aside: what is due may be due for long, and be in nobody's way.
      return { jobs, seen, heldBack: heldBack || limits.perKey?.fair === true, againInMs: inMs(againAtMs) }
    })
  }

  /** Jobs of governed types ended: breakers learn, unused cost goes back, keys go on with the next, rests begin. */
  async ended(jobType: string, ended: readonly EndedJob[]): Promise<void> {
    const { database, tables } = this.#core
    const limits = this.limitsOf(jobType) ?? {}
    const teaches = limits.breaker !== undefined || ended.some(isNews)
    const hasFollowers = limits.perKey !== undefined && !limits.perKey.fair
    const freesSlots = limits.concurrency !== undefined || limits.perKey?.concurrency !== undefined
    if (!teaches && !hasFollowers) return freesSlots ? hintDue(database, tables) : undefined
    const lanes = [...new Set(ended.flatMap(each => each.lane ?? []))]
    await database.transaction(async transaction => {
      if (teaches) await this.#learn(transaction, { jobType, ended, lanes })
      else await lockTypeRow(transaction, tables, jobType)
      if (freesSlots || teaches) await hintDue(transaction, tables)
      if (hasFollowers) await this.#wake(transaction, jobType, lanes)
    })
  }

  async #learn(
    transaction: Queryable,
    { jobType, ended, lanes }: { jobType: string; ended: readonly EndedJob[]; lanes: readonly string[] },
  ): Promise<void> {
    const { tables, registry, events } = this.#core
    const now = databaseNow(this.#core)
    const type = await lockType(transaction, tables, { jobType, now })
    const limits = limitsIn(type, registry.find(jobType))
    const change = afterOutcomes(limits, stateOf(type), { ended, nowMs: type.now_ms })
    const meters = this.#afterSpending(type, limits.budget, ended)
    const changed =
      change || meters
        ? [{ ...withMeters(type, meters ?? stateOf(type), { limits }), ...(change && pick(change)) }]
        : []
    const asks = ended.filter(each => each.lane !== null && (restOf(each.outcome, 'key') || each.spent !== undefined))
    if (asks.length > 0) {
      for (const row of await readLanes(transaction, tables, { jobType, lanes, now })) {
        const own = asks.filter(each => each.lane === row.lane)
        const untils = own.flatMap(({ outcome }) => restOf(outcome, 'key')?.(row.now_ms) ?? [])
        const ofKey = this.#afterSpending(row, limits.perKey?.budget, own)
        if (untils.length === 0 && !ofKey) continue
        const pausedUntilMs = untils.length > 0 ? Math.max(row.paused_until_ms ?? 0, ...untils) : row.paused_until_ms
        changed.push({ ...withMeters(row, ofKey ?? stateOf(row), { limits: limits.perKey }), pausedUntilMs })
      }
    }
    if (changed.length > 0) await saveLanes(transaction, tables, { jobType, lanes: changed })
    if (change?.opened) events.emit('breaker:opened', { jobType, until: new Date(change.pausedUntilMs ?? 0) })
    if (change?.closed) events.emit('breaker:closed', { jobType })
  }

  /** The budget with what attempts really used; undefined when they did not say, or there is none. */
  #afterSpending(row: LaneRow, budget: ResolvedBudget | undefined, ended: readonly EndedJob[]): Meters | undefined {
    if (!budget) return undefined
    let meters: Meters | undefined
    for (const { job, spent } of ended) {
      const reservedAtMs = job && this.#reserved.get(job)
      if (!job || spent === undefined || reservedAtMs === undefined) continue
      const { cost } = candidateOf(job, this.#core.registry.find(job.job_type))
      meters = afterSpending(budget, meters ?? stateOf(row), { reservedAtMs, cost, spent, nowMs: row.now_ms })
    }
    return meters
  }

  /**
   * Lets those go on whose wake-up was lost with the process that owed it, or whose type has no limits per key any more: an
   * older release of the program had them.
   */
  async wakeStranded(): Promise<void> {
    const { database, tables, registry } = this.#core
    const types = registry.handledTypes()
    if (types.length === 0) return
    const waiting = await lanesThatWait(database, tables, types)
    for (const jobType of new Set(waiting.map(row => row.job_type))) {
      const lanes = waiting.filter(row => row.job_type === jobType).map(row => row.lane)
      await database.transaction(async transaction => {
        await lockTypeRow(transaction, tables, jobType)
        if (this.limitsOf(jobType)?.perKey) await this.#wake(transaction, jobType, lanes)
        else await releaseLanes(transaction, tables, jobType)
      })
    }
  }

  /** Brings forward as many of each key as may run. */
  async #wake(transaction: Queryable, jobType: string, lanes: readonly string[]): Promise<void> {
    if (lanes.length === 0) return
    const { concurrency, fifo: strict = false } = this.limitsOf(jobType)?.perKey ?? {}
    await wakeLanes(transaction, this.#core.tables, { jobType, lanes, concurrency, strict })
  }
}

function pick({ failures, pausedUntilMs }: LaneChange) {
  return { failures, pausedUntilMs }
}

/** Its type or key has something to remember of it. */
function isNews({ outcome, spent }: EndedJob): boolean {
  return spent !== undefined || (outcome.kind === 'snoozed' && outcome.rests !== undefined)
}

/** Until when an outcome asks its key to rest, as a function of the present; undefined: it does not. */
function restOf(outcome: Outcome, what: 'type' | 'key'): ((nowMs: number) => number) | undefined {
  if (outcome.kind !== 'snoozed' || outcome.rests !== what) return undefined
  const { wake } = outcome
  return nowMs => ('at' in wake ? wake.at.getTime() : nowMs + wake.delayMs)
}
