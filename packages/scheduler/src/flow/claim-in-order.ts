import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import type { ResolvedLimits } from '../job/limits.ts'
import { admitJobs, keysWithEarlierJobs, parkJobs, wakeLanes, type ParkedJob } from '../store/admit-jobs.ts'
import { claimJobs, type ClaimedJob } from '../store/claim-jobs.ts'
import { readLanes, saveLanes, type LaneRow, type SavedLane } from '../store/lanes.ts'
import { admitByKey, admitByType, afterStarts, inOrder } from './admission.ts'
import type { LockedClaim } from './governed-request.ts'
import { candidateOf, stateOf, withMeters } from './lane-state.ts'
import { withoutPaused } from './paused-subjects.ts'

/** Claims due jobs as they come; those that have to wait for their key step aside. */
export async function claimInOrder(core: Core, transaction: Queryable, work: LockedClaim) {
  const { sift, ...claim } = work.request
  const { jobType, limits, most } = work
  // A retry in strict order holds its slot before it is claimed, and a check may still take jobs out: else one statement does both.
  const admits = limits.perKey?.fifo !== true && sift === undefined
  const due = await claimJobs(transaction, core.tables, {
    ...claim,
    limit: most,
    wanted: [{ jobType, most }],
    admits,
    // A job that may start in a moment may not start now: the window counts starts.
    lookAheadMs: 0,
  })
  const { leaseToken } = claim
  const holdsSlot = (job: ClaimedJob) => heldBefore(limits, job)
  const going = await withoutPaused(core, transaction, { jobs: due, leaseToken, holdsSlot })
  const claimed = sift ? await sift(transaction, going) : going
  const admission = await new Admission(core, transaction, work).admit(claimed, admits)
  if (going.length < due.length) await passOn(core, transaction, { jobType, limits, due, going })
  return { ...admission, seen: due.length }
}

/** Decides over claimed jobs by the limits of their keys and of their type, and stores what was decided. */
class Admission {
  readonly #core: Core
  readonly #transaction: Queryable
  readonly #work: LockedClaim
  readonly #parked: ParkedJob[] = []
  readonly #changed: SavedLane[] = []
  /** Of the keys of claimed jobs, as they were before. */
  #keys: readonly LaneRow[] = []

  constructor(core: Core, transaction: Queryable, work: LockedClaim) {
    this.#core = core
    this.#transaction = transaction
    this.#work = work
  }

  async admit(claimed: readonly ClaimedJob[], areAdmitted: boolean) {
    const { limits } = this.#work
    const transaction = this.#transaction
    const { tables } = this.#core
    await this.#admitKeys(claimed)
    let admitted = this.#without(claimed)
    let againAtMs: number | null = null
    if ((limits.rate || limits.budget) && admitted.length > 0) {
      againAtMs = this.#admitByType(admitted)
      admitted = this.#without(admitted)
    }
    this.#countForKeys(admitted)
    if (this.#changed.length > 0) {
      await saveLanes(transaction, tables, { jobType: this.#work.jobType, lanes: this.#changed })
    }
    if (this.#parked.length > 0) await parkJobs(transaction, tables, this.#parked)
    if (!areAdmitted && admitted.length > 0)
      await admitJobs(
        transaction,
        tables,
        admitted.map(job => job.job_id),
      )
    return { jobs: admitted, againAtMs }
  }

  /** The first that does not fit waits in its place, and those behind it with it. */
  #admitByType(jobs: readonly ClaimedJob[]): number | null {
    const { limits, lane } = this.#work
    const decision = admitByType(limits, stateOf(lane), {
      candidates: jobs.map(job => this.#candidateOf(job)),
      nowMs: lane.now_ms,
    })
    const kept = new Set(decision.admitted)
    for (const job of jobs) if (!kept.has(job.job_id)) this.#park(job, 'in turn')
    this.#changed.push(withMeters(lane, decision.meters, { limits }))
    return decision.againAtMs
  }

  #countForKeys(jobs: readonly ClaimedJob[]): void {
    const { perKey } = this.#work.limits
    if (!perKey?.rate && !perKey?.budget) return
    for (const row of this.#keys) {
      const started = jobs.filter(job => job.uncommon?.lane === row.lane).map(job => this.#candidateOf(job))
      if (started.length === 0) continue
      const meters = afterStarts(perKey, stateOf(row), { started, nowMs: row.now_ms })
      this.#changed.push(withMeters(row, meters, { limits: perKey }))
    }
  }

  /** Decides key by key, also where keys have no limits: one may be paused, or rest. */
  async #admitKeys(claimed: readonly ClaimedJob[]): Promise<void> {
    const { jobType, limits, request } = this.#work
    const { tables } = this.#core
    const now = databaseNow(this.#core)
    const perKey = limits.perKey ?? { fifo: false }
    const queues = new Map<string, ClaimedJob[]>()
    for (const job of claimed) {
      const key = job.uncommon?.lane
      if (key != null) queues.set(key, [...(queues.get(key) ?? []), job])
    }
    if (queues.size === 0) return
    this.#keys = await readLanes(this.#transaction, tables, {
      jobType,
      lanes: [...queues.keys()],
      now,
      except: request.leaseToken,
    })
    const blocked = perKey.fifo ? await this.#keysThatMustWait(queues) : new Set<string>()
    const byId = new Map(claimed.map(job => [job.job_id, job]))
    for (const state of this.#keys) {
      const jobs = queues.get(state.lane) ?? []
      const mustWait = (job: ClaimedJob) => blocked.has(state.lane) && !this.#heldBefore(job)
      for (const job of jobs.filter(mustWait)) this.#park(job, null)
      const candidates = jobs.filter(job => !mustWait(job)).map(job => this.#candidateOf(job))
      // Slots that came along with their holders are under this claim's lease, which is not counted.
      const running = state.running + candidates.filter(each => each.holdsSlot).length
      const decision = admitByKey(perKey, { ...stateOf(state), running }, { candidates, nowMs: state.now_ms })
      for (const { jobId, untilMs } of decision.parked) this.#park(byId.get(jobId), untilMs)
    }
    if (blocked.size > 0) {
      const lanes = [...blocked]
      await wakeLanes(this.#transaction, tables, { jobType, lanes, concurrency: perKey.concurrency, strict: true })
    }
  }

  /** Keys in which an earlier job than those claimed waits. */
  #keysThatMustWait(queues: ReadonlyMap<string, readonly ClaimedJob[]>): Promise<ReadonlySet<string>> {
    const firsts = [...queues].flatMap(([lane, jobs]) => {
      const [first] = inOrder(jobs.map(job => this.#candidateOf(job)).filter(each => !each.holdsSlot))
      return first ? [{ lane, jobId: first.jobId }] : []
    })
    return keysWithEarlierJobs(this.#transaction, this.#core.tables, { jobType: this.#work.jobType, firsts })
  }

  #park(job: ClaimedJob | undefined, untilMs: ParkedJob['untilMs']): void {
    if (job) this.#parked.push({ jobId: job.job_id, untilMs, keepsSlot: this.#heldBefore(job) })
  }

  #without(jobs: readonly ClaimedJob[]): readonly ClaimedJob[] {
    if (this.#parked.length === 0) return jobs
    const parked = new Set(this.#parked.map(each => each.jobId))
    return jobs.filter(job => !parked.has(job.job_id))
  }

  #heldBefore(job: ClaimedJob): boolean {
    return heldBefore(this.#work.limits, job)
  }

  #candidateOf(job: ClaimedJob) {
    const candidate = candidateOf(job, this.#core.registry.find(this.#work.jobType))
    return { ...candidate, holdsSlot: this.#heldBefore(job) }
  }
}

/** Who stands aside may have been woken for a slot of its key that came free: it is the next one's. */
async function passOn(
  { tables }: Core,
  transaction: Queryable,
  work: Pick<LockedClaim, 'jobType' | 'limits'> & { due: readonly ClaimedJob[]; going: readonly ClaimedJob[] },
): Promise<void> {
  const { jobType, limits, due, going } = work
  const kept = new Set(going.map(job => job.job_id))
  const lanes = [...new Set(due.flatMap(job => (kept.has(job.job_id) ? [] : (job.uncommon?.lane ?? []))))]
  const { concurrency, fifo: strict = false } = limits.perKey ?? {}
  if (lanes.length > 0) await wakeLanes(transaction, tables, { jobType, lanes, concurrency, strict })
}

/** A retry in strict order: nobody else's jobs are admitted before a decision about them. */
function heldBefore({ perKey }: ResolvedLimits, { uncommon }: ClaimedJob): boolean {
  return perKey?.fifo === true && uncommon?.admitted === true
}
