import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import type { ResolvedKeyLimits } from '../job/limits.ts'
import { admitJobs } from '../store/admit-jobs.ts'
import { claimChosen } from '../store/claim-chosen.ts'
import type { ClaimedJob } from '../store/claim-jobs.ts'
import { holdingJobs, keylessJobs, keysInTurn, nextFutureInMs, type QueuedJob } from '../store/keys-in-turn.ts'
import { readLanes, saveLanes, type LaneRow } from '../store/lanes.ts'
import { admitByKey, type Candidate } from './admission.ts'
import { shareFairly, type KeyQueue, type Waiting } from './fair-share.ts'
import type { LockedClaim } from './governed-request.ts'
import { DEFAULT_COST, queuedCandidate, stateOf, withMeters } from './lane-state.ts'
import { withoutPaused } from './paused-subjects.ts'

/** Keys looked at by one statement, and by one claim; the next claim goes on behind them. */
const KEYS_PER_LOOK = 256
const KEYS_PER_CLAIM = 2_048
/** Jobs of one key looked at: a share of what is wanted, so that a look at many keys stays small. */
const LEAST_JOBS_PER_KEY = 8
const MOST_JOBS_PER_KEY = 250
/** After a claim that saw many keys and none that may start anything, the next keys are looked at so much later. */
const NEXT_LOOK_MS = 100

/** The part of the ring that one claim saw. */
interface Look {
  readonly rows: readonly LaneRow[]
  readonly queues: readonly KeyQueue[]
  /** Everything that may start was seen. */
  readonly complete: boolean
  /** The ring's end was passed. */
  readonly wrapped: boolean
  readonly last: string
}

/** Claims due jobs of a type whose keys take turns. Nobody steps aside: who may start is known before it is claimed. */
export async function claimInTurn(core: Core, transaction: Queryable, work: LockedClaim) {
  const { tables } = core
  const { jobType, most, lane, limits } = work
  const perKey = limits.perKey ?? NO_KEY_LIMITS
  const wish = { jobType, most, now: databaseNow(core) }
  const cost = core.registry.find(jobType)?.cost ?? DEFAULT_COST
  const look = await lookAtKeys(core, transaction, { work, perKey, cost })
  const holding = perKey.fifo ? await lookAtHolders(core, transaction, { wish, cost }) : NOBODY_HOLDS
  const waiting: Waiting = {
    queues: look.queues,
    holding: holding.queues,
    keyless: look.wrapped ? candidatesOf(await keylessJobs(transaction, tables, wish), cost) : [],
  }
  const decide = (among: Waiting) =>
    shareFairly({ ...limits, perKey }, stateOf(lane), { ...among, most, nowMs: lane.now_ms })
  const chosen = decide(waiting)
  const holders = new Set(holding.queues.flatMap(queue => queue.candidates.map(each => each.jobId)))
  const { jobs, seen } = await take(core, transaction, { work, jobIds: chosen.admitted, holders })
  // What was chosen and could not be had (it was cancelled just now) counts against nobody.
  const isAsChosen = jobs.length === chosen.admitted.length
  const decision = isAsChosen ? chosen : decide(only(waiting, jobs))
  await saveLanes(transaction, tables, {
    jobType,
    lanes: [
      withMeters(lane, decision.type, {
        limits,
        lastKey: seen > 0 || chosen.isTypeSpent ? decision.lastKey : look.last,
      }),
      ...[...holding.rows, ...look.rows].flatMap(row => {
        const meters = perKey.rate || perKey.budget ? decision.keys.get(row.lane) : undefined
        return meters ? [withMeters(row, meters, { limits: perKey })] : []
      }),
    ],
  })
  // The next keys could start nothing either, and who did not fit keeps its turn.
  if (chosen.isTypeSpent && isAsChosen) return { jobs, seen, againAtMs: chosen.againAtMs }
  if (seen >= most || (seen > 0 && !look.complete)) return { jobs, seen: most, againAtMs: null }
  const futureMs = await nextFutureInMs(transaction, tables, wish)
  const waits = [chosen.againAtMs, futureMs === null ? null : lane.now_ms + futureMs]
  if (!look.complete || !isAsChosen) waits.push(lane.now_ms + NEXT_LOOK_MS)
  const known = waits.filter(each => each !== null)
  return { jobs, seen, againAtMs: known.length > 0 ? Math.min(...known) : null }
}

const NO_KEY_LIMITS: ResolvedKeyLimits = { fifo: false }

/** Claims what was chosen. */
async function take(
  core: Core,
  transaction: Queryable,
  { work, jobIds, holders }: { work: LockedClaim; jobIds: readonly string[]; holders: ReadonlySet<string> },
): Promise<{ jobs: readonly ClaimedJob[]; seen: number }> {
  const { sift, ...claim } = work.request
  const due = await claimChosen(transaction, core.tables, { ...claim, jobIds, admits: sift === undefined })
  const { leaseToken } = claim
  const holdsSlot = (job: ClaimedJob) => holders.has(job.job_id)
  const going = await withoutPaused(core, transaction, { jobs: due, leaseToken, holdsSlot })
  if (!sift) return { jobs: going, seen: due.length }
  const jobs = await sift(transaction, going)
  const kept = jobs.map(job => job.job_id)
  if (kept.length > 0) await admitJobs(transaction, core.tables, kept)
  return { jobs, seen: due.length }
}

const NOBODY_HOLDS: Pick<Look, 'rows' | 'queues'> = { rows: [], queues: [] }

/** Jobs that hold their key's slot while they wait: they are no part of a queue, so the ring does not show them. */
async function lookAtHolders(
  core: Core,
  transaction: Queryable,
  { wish, cost }: { wish: { jobType: string; now: string | null }; cost: number },
): Promise<Pick<Look, 'rows' | 'queues'>> {
  const found = await holdingJobs(transaction, core.tables, wish)
  if (found.length === 0) return NOBODY_HOLDS
  const lanes = found.map(each => each.lane)
  const rows = await readLanes(transaction, core.tables, { ...wish, lanes })
  const queues = rows.flatMap((row, index) => {
    const candidates = candidatesOf(found[index]?.jobs ?? [], cost).map(each => ({ ...each, holdsSlot: true }))
    return candidates.length > 0 ? [{ key: row.lane, state: stateOf(row), candidates }] : []
  })
  return { rows, queues }
}

/** Goes round the ring from the key that was served last, until enough is found that may start. */
async function lookAtKeys(
  core: Core,
  transaction: Queryable,
  { work, perKey, cost }: { work: LockedClaim; perKey: ResolvedKeyLimits; cost: number },
): Promise<Look> {
  const { jobType, most, lane } = work
  const now = databaseNow(core)
  const start = lane.memory?.lastKey ?? ''
  const mostKeys = Math.min(KEYS_PER_LOOK, Math.max(16, most * 2))
  const mostJobs = Math.min(MOST_JOBS_PER_KEY, Math.max(LEAST_JOBS_PER_KEY, Math.ceil(most / 4)))
  const rows: LaneRow[] = []
  const queues: KeyQueue[] = []
  const look = { rows, queues, last: start, wrapped: start === '', complete: false }
  let able = 0
  let cut = false
  for (let looked = 0; looked < KEYS_PER_CLAIM; looked += mostKeys) {
    const ring = {
      jobType,
      after: look.last,
      mostKeys,
      mostJobs,
      concurrency: perKey.concurrency,
      strict: perKey.fifo,
      now,
    }
    const found = await keysInTurn(transaction, core.tables, ring)
    const second = look.wrapped && start !== ''
    const keys = second ? found.keys.filter(each => each.lane <= start) : found.keys
    const states = await readLanes(transaction, core.tables, { jobType, lanes: keys.map(each => each.lane), now })
    for (const [index, { lane: key, jobs }] of keys.entries()) {
      const row = states[index]
      if (!row) continue
      rows.push(row)
      const queue = { key, state: stateOf(row), candidates: candidatesOf(jobs, cost) }
      queues.push(queue)
      const { admitted } = admitByKey(perKey, queue.state, { candidates: queue.candidates, nowMs: row.now_ms })
      able += admitted.length
      cut ||= admitted.length >= mostJobs
    }
    const isRound = found.last === null || (second && found.last >= start)
    if (isRound && look.wrapped) return { ...look, complete: !cut }
    look.wrapped ||= isRound
    look.last = found.last ?? ''
    if (able >= most) return look
  }
  return look
}

/** Of those that wait, the jobs that were really had. */
function only({ queues, holding, keyless }: Waiting, jobs: readonly ClaimedJob[]): Waiting {
  const had = new Set(jobs.map(job => job.job_id))
  const among = (candidates: readonly Candidate[]) => candidates.filter(each => had.has(each.jobId))
  const amongQueue = (queue: KeyQueue) => ({ ...queue, candidates: among(queue.candidates) })
  return { queues: queues.map(amongQueue), holding: holding.map(amongQueue), keyless: among(keyless) }
}

function candidatesOf(jobs: readonly QueuedJob[], usual: number): Candidate[] {
  return jobs.map(each => queuedCandidate(each, usual))
}
