import type { ResolvedLimits, ResolvedRate } from '../job/limits.ts'

/** A start that counts against a rate: when, in ms since 1970 by the database's clock, and how much. */
export type Start = readonly [atMs: number, weight: number]

/** What is known of a type, or of one key of it, while its row is locked. */
export interface LaneState {
  /** Jobs that hold a slot. */
  readonly running: number
  /** Starts that may still count. */
  readonly starts: readonly Start[]
  /** Failures in a row, for a type with a breaker. */
  readonly failures: number
  /** Nothing starts before; null: not paused; infinity: until somebody resumes it. */
  readonly pausedUntilMs: number | null
}

/** How much may start now. */
export interface Grant {
  readonly most: number
  /** When to ask again, in ms since 1970, if the answer was less than wanted for a reason that time mends; else null. */
  readonly againAtMs: number | null
}

/** Starts that still count at `nowMs`. */
export function recentStarts(starts: readonly Start[], rate: ResolvedRate | undefined, nowMs: number): Start[] {
  return rate ? starts.filter(([atMs]) => atMs > nowMs - rate.perMs) : []
}

/**
 * The earliest instant at which a start of `weight` keeps the window: at no time more than `limit` within `perMs`. Exact,
 * since every start that counts is known. A weight over the limit is let through as if it were the whole limit.
 */
export function earliestStart(
  starts: readonly Start[],
  rate: ResolvedRate,
  now: { ms: number; weight: number },
): number {
  const weight = Math.min(now.weight, rate.limit)
  const counted = starts.toSorted((a, b) => a[0] - b[0])
  let used = counted.reduce((sum, [, each]) => sum + Math.min(each, rate.limit), 0)
  let earliest = now.ms
  for (const [atMs, each] of counted) {
    const leaves = atMs + rate.perMs
    if (leaves <= now.ms) used -= Math.min(each, rate.limit)
    else if (used + weight > rate.limit) {
      used -= Math.min(each, rate.limit)
      earliest = leaves
    }
  }
  return earliest
}

/** How many jobs of a type may start now, by the limits of the type itself. */
export function grantForType(limits: ResolvedLimits, state: LaneState, now: { ms: number; wanted: number }): Grant {
  if (state.pausedUntilMs !== null && state.pausedUntilMs > now.ms) return { most: 0, againAtMs: state.pausedUntilMs }
  let most = now.wanted
  let againAtMs: number | null = null
  if (limits.concurrency !== undefined) most = Math.min(most, limits.concurrency - state.running)
  // The breaker's rest is over: one job is tried, and the others wait for what becomes of it.
  if (limits.breaker && state.failures >= limits.breaker.failures) most = Math.min(most, 1 - state.running)
  if (limits.rate && most > 0) {
    const allowed = startsAllowed(recentStarts(state.starts, limits.rate, now.ms), limits.rate, { ms: now.ms, most })
    if (allowed < most) againAtMs = nextAllowed(state.starts, limits.rate, { ms: now.ms, already: allowed })
    most = allowed
  }
  return { most: Math.max(0, most), againAtMs }
}

/** Starts of weight 1 that the window has room for. */
function startsAllowed(recent: readonly Start[], rate: ResolvedRate, now: { ms: number; most: number }): number {
  const used = recent.reduce((sum, [, weight]) => sum + Math.min(weight, rate.limit), 0)
  return Math.max(0, Math.min(now.most, rate.limit - used))
}

function nextAllowed(starts: readonly Start[], rate: ResolvedRate, now: { ms: number; already: number }): number {
  const then = [...starts, ...Array.from({ length: now.already }, (): Start => [now.ms, 1])]
  return earliestStart(then, rate, { ms: now.ms, weight: 1 })
}

/** A job that waits for its key, claimed a moment ago or parked before. */
export interface Candidate {
  readonly jobId: string
  readonly dueMs: number
  readonly weight: number
}

/** What becomes of the candidates of one key. */
export interface KeyDecision {
  readonly admitted: readonly string[]
  /** `untilMs` null: until a job of the key ends. */
  readonly parked: readonly { readonly jobId: string; readonly untilMs: number | null }[]
  readonly starts: readonly Start[]
}

/** Decides over the candidates of one key, in the order they were due. */
export function admitByKey(
  limits: NonNullable<ResolvedLimits['perKey']>,
  state: LaneState,
  work: { candidates: readonly Candidate[]; nowMs: number },
): KeyDecision {
  const { nowMs } = work
  const ordered = work.candidates.toSorted((a, b) => a.dueMs - b.dueMs || (a.jobId < b.jobId ? -1 : 1))
  const admitted: string[] = []
  const parked: { jobId: string; untilMs: number | null }[] = []
  const starts = recentStarts(state.starts, limits.rate, nowMs)
  /** Starts that will be, so that those who wait for the window come back one after another. */
  const expected: Start[] = [...starts]
  const paused = state.pausedUntilMs !== null && state.pausedUntilMs > nowMs ? state.pausedUntilMs : null
  for (const { jobId, weight } of ordered) {
    const slots = limits.concurrency === undefined || state.running + admitted.length < limits.concurrency
    const inOrder = !limits.fifo || parked.length === 0
    if (paused !== null) parked.push({ jobId, untilMs: Number.isFinite(paused) ? paused : null })
    else if (!slots || !inOrder) parked.push({ jobId, untilMs: null })
    else {
      const at = limits.rate ? earliestStart(expected, limits.rate, { ms: nowMs, weight }) : nowMs
      expected.push([at, weight])
      if (at > nowMs) parked.push({ jobId, untilMs: at })
      else {
        admitted.push(jobId)
        if (limits.rate) starts.push([nowMs, weight])
      }
    }
  }
  return { admitted, parked, starts }
}

/** Decides over claimed jobs by the rate of their type, in the order they were due. */
export function admitByRate(
  rate: ResolvedRate,
  known: readonly Start[],
  work: { candidates: readonly Candidate[]; nowMs: number },
): KeyDecision {
  const state = { running: 0, starts: known, failures: 0, pausedUntilMs: null }
  return admitByKey({ rate, fifo: false }, state, work)
}
