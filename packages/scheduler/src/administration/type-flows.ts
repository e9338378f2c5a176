import { databaseNow, type Core } from '../core.ts'
import { BelfryError } from '../errors.ts'
import type { LaneState } from '../flow/admission.ts'
import { DEFAULT_COST, limitsIn, stateOf } from '../flow/lane-state.ts'
import type { AnyJobDefinition } from '../job/definition.ts'
import type { ResolvedLimits } from '../job/limits.ts'
import type { LaneRow } from '../store/lanes.ts'
import { readMeanDurations } from '../store/mean-durations.ts'
import { EVERY_TYPE, listPauses } from '../store/pauses.ts'
import { readTypeLanes } from '../store/type-lanes.ts'
import type { TypeFlow } from './starts-under-limits.ts'

/** Pauses, limits and what they have counted so far, by type. Limits of a definition count if this process knows it. */
export async function readTypeFlows(core: Core, jobTypes: readonly string[]): Promise<ReadonlyMap<string, TypeFlow>> {
  const { database, tables, registry } = core
  const now = databaseNow(core)
  const whole = (await listPauses(database, tables)).filter(pause => pause.lane === '').map(pause => pause.job_type)
  const lanes = await readTypeLanes(database, tables, { jobTypes, now })
  const known = lanes.map(row => ({ jobType: row.job_type, lane: readLane(row, registry.find(row.job_type)) }))
  const slotted = known.filter(({ lane }) => lane?.limits.concurrency !== undefined).map(({ jobType }) => jobType)
  const means = slotted.length === 0 ? [] : await readMeanDurations(database, tables, { jobTypes: slotted, now })
  const meanOf = new Map(means.map(row => [row.job_type, row.mean_ms]))
  return new Map(
    known.map(({ jobType, lane }) => [
      jobType,
      {
        ...(lane ?? STUCK),
        paused: whole.includes(EVERY_TYPE) || whole.includes(jobType),
        cost: registry.find(jobType)?.cost ?? DEFAULT_COST,
        meanMs: meanOf.get(jobType) ?? null,
      },
    ]),
  )
}

interface ReadLane {
  readonly limits: ResolvedLimits
  readonly state: LaneState
}

/** A type whose row was spoiled by hand starts nothing: its claims fail. */
const STUCK: ReadLane = {
  limits: {},
  state: { running: 0, starts: [], failures: 0, pausedUntilMs: Number.POSITIVE_INFINITY },
}

/** Undefined when what the row says cannot be followed. */
function readLane(row: LaneRow, definition: AnyJobDefinition | undefined): ReadLane | undefined {
  try {
    return { limits: limitsIn(row, definition), state: stateOf(row) }
  } catch (error) {
    if (error instanceof BelfryError) return undefined
    throw error
  }
}
