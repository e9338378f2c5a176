import type { ResolvedKeyLimits, ResolvedLimits } from '../job/limits.ts'
import { afterStart, earliestStart, startsAllowed, type MeteredLimits, type Meters } from './meter.ts'

/** What is known of a type, or of one key of it, while its row is locked. */
export interface LaneState extends Meters {
  /** Jobs that hold a slot. */
  readonly running: number
  /** Of those, of a type whose breaker's rest is over: the ones that began since. */
  readonly tried?: number
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

/** How many jobs of a type may start now, by the limits of the type itself; `cost` is what one usually costs. */
export function grantForType(
  limits: ResolvedLimits,
  state: LaneState,
  now: { ms: number; wanted: number; cost: number },
): Grant {
  if (state.pausedUntilMs !== null && state.pausedUntilMs > now.ms) return { most: 0, againAtMs: state.pausedUntilMs }
  let most = now.wanted
  let againAtMs: number | null = null
  if (limits.concurrency !== undefined) most = Math.min(most, limits.concurrency - state.running)
  // The breaker's rest is over: one job is tried, and the others wait for what becomes of it, however long those run that
  // began before the rest.
  if (limits.breaker && state.failures >= limits.breaker.failures) most = Math.min(most, 1 - (state.tried ?? 0))
  if (most > 0 && (limits.rate || limits.budget)) {
    const allowed = startsAllowed(limits, state, { ms: now.ms, most, cost: now.cost })
    if (allowed < most) againAtMs = nextAllowed(limits, state, { ...now, already: allowed })
    most = allowed
  }
  return { most: Math.max(0, most), againAtMs }
}

function nextAllowed(
  limits: ResolvedLimits,
  state: Meters,
  now: { ms: number; already: number; cost: number },
): number | null {
  const { ms, already, cost } = now
  const then = already > 0 ? afterStart(limits, state, { ms, weight: already, cost: cost * already }) : state
  const at = earliestStart(limits, then, { ms, weight: 1, cost })
  return at > now.ms ? at : null
}

/** What a claim of a governed type means for the next one. */
export interface Outlook {
  /** Rows that were looked at: as many as were wanted means that there may be more. */
  readonly seen: number
  /** Limits of the type hold back what is due. */
  readonly heldBack: boolean
  readonly againAtMs: number | null
}

/**
 * What to expect after a claim under a grant. Who stepped aside for its key leaves its room to others: the claim counts as
 * filled then, for no job of the type may ever end that would lead to the next one.
 */
export function outlookAfter(
  grant: Grant & { readonly wanted: number },
  found: { readonly seen: number; readonly started: number; readonly againAtMs: number | null },
): Outlook {
  const { seen, started, againAtMs } = found
  if (againAtMs !== null) return { seen, heldBack: true, againAtMs }
  if (seen < grant.most) return { seen, heldBack: false, againAtMs: null }
  if (started < grant.most) return { seen: Math.max(seen, grant.wanted), heldBack: false, againAtMs: null }
  return { seen, heldBack: grant.most < grant.wanted, againAtMs: grant.againAtMs }
}

/** A job that waits for its type or key. */
export interface Candidate {
  readonly jobId: string
  readonly dueMs: number
  readonly weight: number
  readonly cost: number
  /** It holds its key's slot already: a retry in strict order. */
  readonly holdsSlot: boolean
}

/** What becomes of the candidates of one key. */
export interface KeyDecision {
  readonly admitted: readonly string[]
  /** `untilMs` null: until a job of the key ends. */
  readonly parked: readonly { readonly jobId: string; readonly untilMs: number | null }[]
}

/**
 * Decides over the candidates of one key, in the order they were due. Who holds a slot already needs none and goes first;
 * a pause, a rate and a budget hold it back like any other.
 */
export function admitByKey(
  limits: ResolvedKeyLimits,
  state: LaneState,
  work: { candidates: readonly Candidate[]; nowMs: number },
): KeyDecision {
  const { nowMs } = work
  const admitted: string[] = []
  const parked: { jobId: string; untilMs: number | null }[] = []
  let taken = 0
  /** With the starts that will be, so that those who wait come back one after another. */
  let expected: Meters = state
  const paused = state.pausedUntilMs !== null && state.pausedUntilMs > nowMs ? state.pausedUntilMs : null
  for (const { jobId, weight, cost, holdsSlot } of inOrder(work.candidates).toSorted(holdersFirst)) {
    const slots = limits.concurrency === undefined || state.running + taken < limits.concurrency
    const itsTurn = !limits.fifo || parked.length === 0
    if (paused !== null) parked.push({ jobId, untilMs: Number.isFinite(paused) ? paused : null })
    else if (!holdsSlot && !(slots && itsTurn)) parked.push({ jobId, untilMs: null })
    else {
      const at = earliestStart(limits, expected, { ms: nowMs, weight, cost })
      expected = afterStart(limits, expected, { ms: at, weight, cost, nowMs })
      if (at > nowMs) parked.push({ jobId, untilMs: at })
      else {
        admitted.push(jobId)
        if (!holdsSlot) taken += 1
      }
    }
  }
  return { admitted, parked }
}

/**
 * The meters of a key after these have started. Who was admitted by its key and then held back by its type did not start:
 * counted all the same, it would be in its own way the next time.
 */
export function afterStarts(
  limits: MeteredLimits,
  known: Meters,
  work: { started: readonly Candidate[]; nowMs: number },
): Meters {
  const { started, nowMs } = work
  return started.reduce((meters, { weight, cost }) => afterStart(limits, meters, { ms: nowMs, weight, cost }), known)
}

/** What rate and budget of a type let in. */
export interface TypeDecision {
  readonly admitted: readonly string[]
  /** The first that must wait, and until when it must: those behind it wait with it, so that a large one has its turn. */
  readonly againAtMs: number | null
  readonly meters: Meters
}

/** Decides over jobs by rate and budget of their type, in the order given. */
export function admitByType(
  limits: ResolvedLimits,
  known: Meters,
  work: { candidates: readonly Candidate[]; nowMs: number },
): TypeDecision {
  const admitted: string[] = []
  let meters = known
  for (const { jobId, weight, cost } of work.candidates) {
    const ask = { ms: work.nowMs, weight, cost }
    const at = earliestStart(limits, meters, ask)
    if (at > work.nowMs) return { admitted, againAtMs: at, meters }
    meters = afterStart(limits, meters, ask)
    admitted.push(jobId)
  }
  return { admitted, againAtMs: null, meters }
}

function holdersFirst(a: Candidate, b: Candidate): number {
  return Number(b.holdsSlot) - Number(a.holdsSlot)
}

/** As they were due. */
export function inOrder(candidates: readonly Candidate[]): Candidate[] {
  return candidates.toSorted((a, b) => a.dueMs - b.dueMs || (a.jobId < b.jobId ? -1 : 1))
}
