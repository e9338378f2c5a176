import type { AnyJobDefinition } from '../job/definition.ts'
import { ORDINARY, type ClaimedJob } from '../store/claim-jobs.ts'
import type { LaneRow, SavedLane } from '../store/lanes.ts'
import type { Candidate, LaneState } from './admission.ts'
import type { Meters } from './meter.ts'

/** A lane's row as decisions are made over it. */
export function stateOf(row: LaneRow): LaneState {
  const { running, starts, failures, memory } = row
  const pausedUntilMs = row.paused ? Number.POSITIVE_INFINITY : row.paused_until_ms
  return { running, starts, failures, pausedUntilMs, fullAtMs: memory?.fullAtMs, spent: memory?.spent }
}

/** A lane with other meters, and all else as it was. */
export function withMeters(row: LaneRow, { starts, fullAtMs, spent }: Meters, lastKey?: string): SavedLane {
  const memory = { ...((lastKey ?? row.memory?.lastKey) !== undefined && { lastKey: lastKey ?? row.memory?.lastKey }) }
  return {
    lane: row.lane,
    starts,
    memory: { ...memory, ...(fullAtMs !== undefined && { fullAtMs }), ...(spent !== undefined && { spent }) },
    failures: row.failures,
    pausedUntilMs: row.paused_until_ms,
  }
}

/** A claimed job as a candidate. */
export function candidateOf(job: ClaimedJob, definition: AnyJobDefinition | undefined): Candidate {
  const { weight, cost } = job.uncommon ?? ORDINARY
  return { jobId: job.job_id, dueMs: job.scheduled_ms, weight, cost: cost ?? definition?.cost ?? DEFAULT_COST }
}

/** What a job costs whose call and definition say nothing. */
export const DEFAULT_COST = 1
