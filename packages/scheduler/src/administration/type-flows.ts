import { databaseNow, type Core } from '../core.ts'
import { DEFAULT_COST, stateOf } from '../flow/lane-state.ts'
import { readMeanDurations } from '../store/mean-durations.ts'
import { EVERY_TYPE, listPauses } from '../store/pauses.ts'
import { readTypeLanes } from '../store/type-lanes.ts'
import { startsUnderLimits, type TypeFlow } from './starts-under-limits.ts'

/** Pauses, limits and what they have counted so far, by type. Limits of a definition count if this process knows it. */
export async function readTypeFlows(core: Core, jobTypes: readonly string[]): Promise<ReadonlyMap<string, TypeFlow>> {
  const { database, tables, registry } = core
  const now = databaseNow(core)
  const whole = (await listPauses(database, tables)).filter(pause => pause.lane === '').map(pause => pause.job_type)
  const lanes = await readTypeLanes(database, tables, { jobTypes, now })
  const known = lanes.map(row => ({ row, limits: row.limits ?? registry.find(row.job_type)?.limits ?? {} }))
  const slotted = known.filter(({ limits }) => limits.concurrency !== undefined).map(({ row }) => row.job_type)
  const means = slotted.length === 0 ? [] : await readMeanDurations(database, tables, { jobTypes: slotted, now })
  const meanOf = new Map(means.map(row => [row.job_type, row.mean_ms]))
  return new Map(
    known.map(({ row, limits }) => {
      const paused = whole.includes(EVERY_TYPE) || whole.includes(row.job_type)
      const cost = registry.find(row.job_type)?.cost ?? DEFAULT_COST
      const meanMs = meanOf.get(row.job_type) ?? null
      const flow = followable(() => ({ limits, state: stateOf(row), paused, cost, meanMs }), row.now_ms)
      return [row.job_type, flow ?? { ...STUCK, paused }]
    }),
  )
}

/** A type whose row was spoiled by hand starts nothing: its claims fail. */
const STUCK: TypeFlow = {
  limits: {},
  state: { running: 0, starts: [], failures: 0, pausedUntilMs: Number.POSITIVE_INFINITY },
  paused: false,
  cost: DEFAULT_COST,
  meanMs: null,
}

/** Undefined when what the row says cannot be followed. */
function followable(read: () => TypeFlow, nowMs: number): TypeFlow | undefined {
  try {
    const flow = read()
    return startsUnderLimits([1], flow, nowMs).every(Number.isFinite) ? flow : undefined
  } catch {
    return undefined
  }
}
