import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import type { ResolvedLimits } from '../job/limits.ts'
import type { Outcome } from '../job/outcome.ts'
import { admitJobs, keysWithEarlierJobs, lanesThatWait, parkJobs, wakeLanes } from '../store/admit-jobs.ts'
import { claimJobs, ORDINARY, type ClaimedJob, type ClaimRequest } from '../store/claim-jobs.ts'
import { hintDue } from '../store/hint-due.ts'
import {
  lockType,
  readLanes,
  readSetLimits,
  saveLanes,
  WHOLE_TYPE,
  type LaneRow,
  type SavedLane,
} from '../store/lanes.ts'
import { admitByKey, admitByRate, grantForType, type Candidate, type LaneState } from './admission.ts'
import { afterOutcomes, type EndedJob } from './breaker.ts'

/** What a claim of a governed type brought. */
export interface GovernedClaim {
  readonly jobs: readonly ClaimedJob[]
  /** Rows that were looked at: as many as asked for means that there may be more. */
  readonly seen: number
  /** Nothing (more) may start before, in ms from now; null: until something else happens. */
  readonly againInMs: number | null
}

/** What a governed claim asks for. */
export type GovernedRequest = Omit<ClaimRequest, 'wanted' | 'lookAheadMs'> & {
  /** Takes out, in the claim's transaction, what is not to run after all, before limits are counted. */
  readonly sift?: ((transaction: Queryable, jobs: readonly ClaimedJob[]) => Promise<readonly ClaimedJob[]>) | undefined
}

/** Keeps the limits of types over all processes. Types without limits never come here. */
export class Governor {
  readonly #core: Core
  /** Limits that were set at run time. */
  #set: ReadonlyMap<string, ResolvedLimits> = new Map()

  constructor(core: Core) {
    this.#core = core
  }

  /** Reads the limits that were set at run time; at start, when told that they changed, and now and then. */
  async refresh(): Promise<void> {
    const rows = await readSetLimits(this.#core.database, this.#core.tables)
    this.#set = new Map(rows.map(row => [row.job_type, row.limits]))
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
      const limits = lane.limits ?? this.#core.registry.find(jobType)?.limits ?? {}
      const grant = grantForType(limits, stateOf(lane), { ms: lane.now_ms, wanted: request.limit })
      const againInMs = grant.againAtMs === null ? null : grant.againAtMs - lane.now_ms
      if (grant.most === 0) return { jobs: [], seen: 0, againInMs }
      const wanted = [{ jobType, most: grant.most }]
      const { sift, ...claim } = request
      const due = await claimJobs(transaction, this.#core.tables, {
        ...claim,
        limit: grant.most,
        wanted,
        // A job that may start in a moment may not start now: the window counts starts.
        lookAheadMs: 0,
      })
      const claimed = sift ? await sift(transaction, due) : due
      const jobs = await this.#admit(transaction, { jobType, limits, lane, claimed })
      return { jobs, seen: due.length, againInMs }
    })
  }

  /** Jobs of governed types ended: breakers learn, keys go on with the next, rests asked for begin. */
  async ended(jobType: string, ended: readonly EndedJob[]): Promise<void> {
    const { database, tables, events } = this.#core
    await database.transaction(async transaction => {
      const type = await lockType(transaction, tables, { jobType, now: databaseNow(this.#core) })
      const limits = type.limits ?? this.#core.registry.find(jobType)?.limits ?? {}
      const change = afterOutcomes(limits, stateOf(type), { ended, nowMs: type.now_ms })
      if (change) {
        await saveLanes(transaction, tables, { jobType, lanes: [{ lane: WHOLE_TYPE, starts: type.starts, ...change }] })
        if (change.opened) events.emit('breaker:opened', { jobType, until: new Date(change.pausedUntilMs ?? 0) })
        if (change.closed) events.emit('breaker:closed', { jobType })
      }
      await this.#restKeys(transaction, { jobType, ended })
      if (limits.concurrency !== undefined) await hintDue(transaction, tables)
      await this.#wake(transaction, jobType, [...new Set(ended.flatMap(each => each.lane ?? []))])
    })
  }

  /** Lets those go on whose wake-up was lost with the process that owed it. */
  async wakeStranded(): Promise<void> {
    const { database, tables, registry } = this.#core
    const types = registry.handledTypes().filter(type => this.limitsOf(type)?.perKey)
    if (types.length === 0) return
    const waiting = await lanesThatWait(database, tables, types)
    for (const jobType of new Set(waiting.map(row => row.job_type))) {
      const lanes = waiting.filter(row => row.job_type === jobType).map(row => row.lane)
      await database.transaction(async transaction => {
        await lockType(transaction, tables, { jobType, now: databaseNow(this.#core) })
        await this.#wake(transaction, jobType, lanes)
      })
    }
  }

  async #admit(
    transaction: Queryable,
    work: { jobType: string; limits: ResolvedLimits; lane: LaneRow; claimed: readonly ClaimedJob[] },
  ): Promise<readonly ClaimedJob[]> {
    const { tables } = this.#core
    const { jobType, limits, lane, claimed } = work
    const parked: { jobId: string; untilMs: number | null }[] = []
    const byKey = await this.#admitKeys(transaction, work)
    parked.push(...byKey.parked)
    let admitted = claimed.filter(job => !byKey.parked.some(each => each.jobId === job.job_id))
    if (limits.rate) {
      const byRate = admitByRate(limits.rate, lane.starts, {
        candidates: admitted.map(candidateOf),
        nowMs: lane.now_ms,
      })
      parked.push(...byRate.parked)
      const kept = new Set(byRate.admitted)
      admitted = admitted.filter(job => kept.has(job.job_id))
      const { failures, paused_until_ms: pausedUntilMs } = lane
      await saveLanes(transaction, tables, {
        jobType,
        lanes: [{ lane: WHOLE_TYPE, starts: byRate.starts, failures, pausedUntilMs }],
      })
    }
    if (byKey.lanes.length > 0) await saveLanes(transaction, tables, { jobType, lanes: byKey.lanes })
    if (parked.length > 0) await parkJobs(transaction, tables, parked)
    if (admitted.length > 0) {
      await admitJobs(
        transaction,
        tables,
        admitted.map(job => job.job_id),
      )
    }
    return admitted
  }

  /** Decides key by key. A job that holds its key's slot already (a retry in strict order) is not asked again. */
  async #admitKeys(
    transaction: Queryable,
    { jobType, limits, claimed }: { jobType: string; limits: ResolvedLimits; claimed: readonly ClaimedJob[] },
  ) {
    const { tables } = this.#core
    const now = databaseNow(this.#core)
    const { perKey } = limits
    const asking = claimed.filter(job => job.uncommon?.lane != null && !job.uncommon.admitted)
    const lanes = [...new Set(asking.map(job => job.uncommon?.lane ?? ''))]
    const parked: { jobId: string; untilMs: number | null }[] = []
    const changed: SavedLane[] = []
    if (!perKey || lanes.length === 0) return { parked, lanes: changed }
    const states = await readLanes(transaction, tables, { jobType, lanes, now })
    const firsts = lanes.map(lane => ({ lane, dueMs: Math.min(...asking.filter(inLane(lane)).map(dueOf)) }))
    const blocked = perKey.fifo
      ? await keysWithEarlierJobs(transaction, tables, { jobType, keys: firsts, now })
      : new Set<string>()
    for (const state of states) {
      const candidates = asking.filter(inLane(state.lane)).map(candidateOf)
      if (blocked.has(state.lane)) {
        parked.push(...candidates.map(({ jobId }) => ({ jobId, untilMs: null })))
        continue
      }
      const decision = admitByKey(perKey, stateOf(state), { candidates, nowMs: state.now_ms })
      parked.push(...decision.parked)
      const { failures, paused_until_ms: pausedUntilMs } = state
      if (perKey.rate) changed.push({ lane: state.lane, starts: decision.starts, failures, pausedUntilMs })
    }
    if (blocked.size > 0) await this.#wake(transaction, jobType, [...blocked])
    return { parked, lanes: changed }
  }

  /** Brings forward as many of each key as may run. */
  async #wake(transaction: Queryable, jobType: string, lanes: readonly string[]): Promise<void> {
    const { tables } = this.#core
    const perKey = this.limitsOf(jobType)?.perKey
    if (lanes.length === 0 || !perKey) return
    const states = await readLanes(transaction, tables, { jobType, lanes, now: databaseNow(this.#core) })
    const free = states.map(({ lane, running, paused }) => ({
      lane,
      most: paused ? 0 : Math.max(0, (perKey.concurrency ?? MOST_WOKEN) - running),
    }))
    const some = free.filter(each => each.most > 0).map(each => ({ ...each, most: Math.min(each.most, MOST_WOKEN) }))
    if (some.length > 0) await wakeLanes(transaction, tables, { jobType, lanes: some })
  }

  /** The other side asked for a rest of one key. */
  async #restKeys(
    transaction: Queryable,
    { jobType, ended }: { jobType: string; ended: readonly EndedJob[] },
  ): Promise<void> {
    const { tables } = this.#core
    const resting = ended.flatMap(({ lane, outcome }) => (lane && restOf(outcome, 'key') ? [{ lane, outcome }] : []))
    if (resting.length === 0) return
    const lanes = [...new Set(resting.map(each => each.lane))]
    const states = await readLanes(transaction, tables, { jobType, lanes, now: databaseNow(this.#core) })
    const saved = states.map(state => {
      const untils = resting
        .filter(each => each.lane === state.lane)
        .map(({ outcome }) => (restOf(outcome, 'key') ?? (() => 0))(state.now_ms))
      const pausedUntilMs = Math.max(state.paused_until_ms ?? 0, ...untils)
      return { lane: state.lane, starts: state.starts, failures: state.failures, pausedUntilMs }
    })
    await saveLanes(transaction, tables, { jobType, lanes: saved })
  }
}

/** Jobs of one key brought forward at a time. */
const MOST_WOKEN = 100

/** Until when an outcome asks its type or key to rest, as a function of the present; undefined: it does not. */
export function restOf(outcome: Outcome, what: 'type' | 'key'): ((nowMs: number) => number) | undefined {
  if (outcome.kind !== 'snoozed' || outcome.rests !== what) return undefined
  const { wake } = outcome
  return nowMs => ('at' in wake ? wake.at.getTime() : nowMs + wake.delayMs)
}

function stateOf(row: LaneRow): LaneState {
  const { running, starts, failures } = row
  return { running, starts, failures, pausedUntilMs: row.paused ? Number.POSITIVE_INFINITY : row.paused_until_ms }
}

function candidateOf(job: ClaimedJob): Candidate {
  const { weight } = job.uncommon ?? ORDINARY
  return { jobId: job.job_id, dueMs: job.scheduled_ms, weight }
}

function inLane(lane: string): (job: ClaimedJob) => boolean {
  return job => job.uncommon?.lane === lane
}

function dueOf(job: ClaimedJob): number {
  return job.scheduled_ms
}
