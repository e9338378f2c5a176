import type { LaneState } from '../flow/admission.ts'
import type { Start } from '../flow/meter.ts'
import type { ResolvedLimits, ResolvedRate } from '../job/limits.ts'

/** What the starts of a type depend on, time aside, at one moment. */
export interface TypeFlow {
  readonly limits: ResolvedLimits
  /** What has started, what runs, until when the type rests. */
  readonly state: LaneState
  /** The type, or everything, is paused: nothing starts until somebody resumes it. */
  readonly paused: boolean
  /** What one of its jobs reserves of a budget. */
  readonly cost: number
  /** How long one of its jobs runs, in ms; null: not known, and then a limit of concurrency says nothing. */
  readonly meanMs: number | null
}

/** Limits are followed minute by minute: a week is 10,080 of them. */
const STEP_MS = 60_000
const STEPS_PER_HOUR = 60
/** Sums of parts of jobs may miss a whole one by this much. */
const ROUNDING = 1e-6

/**
 * How many of the jobs that come hour by hour start in each, by what limits and their meters allow. Pure. A job that
 * weighs or costs more than is usual counts as a usual one.
 */
export function startsUnderLimits(arrivals: readonly number[], flow: TypeFlow, nowMs: number): number[] {
  if (flow.paused) return arrivals.map(() => 0)
  const gauges = gaugesOf(flow, nowMs)
  const restMs = (flow.state.pausedUntilMs ?? nowMs) - nowMs
  let waiting = 0
  let started = 0
  return arrivals.map((count, hour) => {
    const before = Math.floor(started + ROUNDING)
    waiting += count
    for (let step = hour * STEPS_PER_HOUR; step < (hour + 1) * STEPS_PER_HOUR; step += 1) {
      const rests = step * STEP_MS < restMs
      const starts = rests ? 0 : Math.max(0, Math.min(waiting, ...gauges.map(each => each.room(step))))
      for (const each of gauges) each.take(starts)
      waiting -= starts
      started += starts
    }
    return Math.floor(started + ROUNDING) - before
  })
}

/** A limit as it is used up. Parts of a start are counted, so that no limit is lost between two steps. */
interface Gauge {
  /** Starts it has room for in a step. */
  room(step: number): number
  /** As many started in that step. Told of every step, one after another. */
  take(starts: number): void
}

function gaugesOf({ limits, state, cost, meanMs }: TypeFlow, nowMs: number): Gauge[] {
  const { rate, budget, concurrency } = limits
  const gauges: Gauge[] = []
  if (rate?.burst !== undefined) gauges.push(bucket({ ...rate, burst: rate.burst }, state.fullAtMs ?? 0, nowMs))
  else if (rate) gauges.push(slidingWindow({ most: rate.limit, perMs: rate.perMs, used: state.starts }, nowMs))
  if (budget && cost > 0) {
    const each = Math.min(cost, budget.amount)
    const used = (state.spent ?? []).map(([atMs, amount]): Start => [atMs, amount / each])
    const most = Math.floor(budget.amount / each + ROUNDING)
    gauges.push(slidingWindow({ most, perMs: budget.perMs, used }, nowMs))
  }
  if (concurrency !== undefined && meanMs !== null && meanMs > 0) {
    // As many starts within the time one runs as there are slots; those that run now are half through.
    const used: Start[] = [[nowMs - meanMs / 2, state.running]]
    gauges.push(slidingWindow({ most: concurrency, perMs: meanMs, used }, nowMs))
  }
  return gauges
}

/** At most so many starts within any span. */
function slidingWindow(limit: { most: number; perMs: number; used: readonly Start[] }, nowMs: number): Gauge {
  const { most, perMs } = limit
  const span = perMs / STEP_MS
  const earlier = limit.used.map(([atMs, count]) => ({ leaves: (atMs - nowMs) / STEP_MS + span, count }))
  const lastLeaves = earlier.reduce((latest, each) => Math.max(latest, each.leaves), 0)
  /** At n: what started in the first n steps. */
  const totals = [0]
  return {
    room(step) {
      const still = step >= lastLeaves ? 0 : sum(earlier.map(each => (each.leaves > step ? each.count : 0)))
      const own = (totals[step] ?? 0) - totalAt(totals, step - Math.max(0, span - 1))
      return most * Math.max(1, 1 / span) - still - own
    },
    take(starts) {
      totals.push((totals.at(-1) ?? 0) + starts)
    },
  }
}

/** Between two steps the starts of a step count as spread over it. */
function totalAt(totals: readonly number[], step: number): number {
  if (step <= 0) return 0
  const whole = Math.floor(step)
  const from = totals[whole] ?? 0
  return from + (step - whole) * ((totals[whole + 1] ?? from) - from)
}

/** Holds `burst` starts and fills by the rate; what flows in and out within one step is not held back by its size. */
function bucket(rate: ResolvedRate & { burst: number }, fullAtMs: number, nowMs: number): Gauge {
  const { burst, limit, perMs } = rate
  const refill = (limit * STEP_MS) / perMs
  let level = burst - (Math.max(0, fullAtMs - nowMs) * limit) / perMs
  return {
    room: () => level + Math.max(0, refill - burst),
    take(starts) {
      level = Math.min(burst, level + refill - starts)
    },
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
