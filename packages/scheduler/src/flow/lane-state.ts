import type { AnyJobDefinition } from '../job/definition.ts'
import { BelfryError, show } from '../errors.ts'
import { readLimits, type ResolvedLimits } from '../job/limits.ts'
import { costOf, unreadable, weightOf } from '../job/stored-fields.ts'
import { ORDINARY, type ClaimedJob } from '../store/claim-jobs.ts'
import type { QueuedJob } from '../store/keys-in-turn.ts'
import { WHOLE_TYPE, type LaneRow, type SavedLane } from '../store/lanes.ts'
import type { Candidate, LaneState } from './admission.ts'
import { countsUntil, type MeteredLimits, type Meters } from './meter.ts'

/**
 * A lane's row as decisions are made over it.
 * @throws BelfryError `BELFRY_ROW_UNREADABLE`
 */
export function stateOf(row: LaneRow): LaneState {
  const fault = memoryFault(row)
  if (fault) throw unreadable(nameOf(row), fault, 'Delete that row: what it remembers of starts and costs is lost.')
  const { running, tried, starts, failures, memory } = row
  const pausedUntilMs = row.paused ? Number.POSITIVE_INFINITY : row.paused_until_ms
  return { running, tried, starts, failures, pausedUntilMs, fullAtMs: memory?.fullAtMs, spent: memory?.spent }
}

/**
 * A type's limits: those that were set at run time, or its definition's.
 * @throws BelfryError `BELFRY_ROW_UNREADABLE`
 */
export function limitsIn(row: LaneRow, definition: AnyJobDefinition | undefined): ResolvedLimits {
  const { limits } = row
  if (limits === null) return definition?.limits ?? {}
  try {
    return readLimits(limits, 'limits')
  } catch (error) {
    if (!(error instanceof BelfryError)) throw error
    throw unreadable(
      nameOf(row),
      error.message,
      'Set its limits anew with admin.setLimits, null being those of the definition.',
    )
  }
}

function nameOf({ job_type: jobType, lane }: LaneRow): string {
  return `what belfry_lanes has of type ${show(jobType)}${lane === WHOLE_TYPE ? '' : `, key ${show(lane)},`}`
}

/** Why what a lane remembers cannot be read; undefined when it can. */
function memoryFault({ starts, memory }: LaneRow): string | undefined {
  if (!isPairs(starts)) return 'starts: expected pairs of numbers'
  const { fullAtMs = 0, spent = [], lastKey = '' } = memory ?? {}
  if (typeof fullAtMs !== 'number') return 'memory.fullAtMs: expected a number'
  if (!isPairs(spent)) return 'memory.spent: expected pairs of numbers'
  return typeof lastKey === 'string' ? undefined : 'memory.lastKey: expected a text'
}

function isPairs(stored: unknown): boolean {
  return Array.isArray(stored) && stored.every(isPair)
}

function isPair(stored: unknown): boolean {
  return Array.isArray(stored) && stored.length === 2 && stored.every(each => Number.isFinite(each))
}

/** A lane with other meters, counted by these limits, and all else as it was. */
export function withMeters(
  row: LaneRow,
  meters: Meters,
  { limits, lastKey = row.memory?.lastKey }: { limits: MeteredLimits | undefined; lastKey?: string | undefined },
): SavedLane {
  const { starts, fullAtMs, spent } = meters
  return {
    lane: row.lane,
    starts,
    memory: {
      ...(lastKey !== undefined && { lastKey }),
      ...(fullAtMs !== undefined && { fullAtMs }),
      ...(spent !== undefined && { spent }),
      countsUntilMs: countsUntil(limits ?? {}, meters),
    },
    failures: row.failures,
    pausedUntilMs: row.paused_until_ms,
  }
}

/** A claimed job as a candidate that holds no slot. */
export function candidateOf(job: ClaimedJob, definition: AnyJobDefinition | undefined): Candidate {
  const { weight, cost: own } = job.uncommon ?? ORDINARY
  const cost = own ?? definition?.cost ?? DEFAULT_COST
  return { jobId: job.job_id, dueMs: job.scheduled_ms, weight, cost, holdsSlot: false }
}

/** A stored job as a candidate that holds no slot. One whose row cannot be read is let in as a usual one: it fails when it is taken. */
export function queuedCandidate([jobId, dueMs, weight, cost]: QueuedJob, usual: number): Candidate {
  try {
    return { jobId, dueMs, weight: weightOf(weight), cost: costOf(cost) ?? usual, holdsSlot: false }
  } catch {
    return { jobId, dueMs, weight: 1, cost: usual, holdsSlot: false }
  }
}

/** What a job costs whose call and definition say nothing. */
export const DEFAULT_COST = 1
