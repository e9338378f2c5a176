import type { ResolvedLimits } from '../job/limits.ts'
import type { Outcome } from '../job/outcome.ts'
import type { ClaimedJob } from '../store/claim-jobs.ts'
import type { LaneState } from './admission.ts'

/** A job of a governed type whose attempt was settled. */
export interface EndedJob {
  readonly lane: string | null
  readonly outcome: Outcome
  readonly job?: ClaimedJob
  /** What it used of budgets, if it said so. */
  readonly spent?: number | undefined
}

/** What outcomes change of a type's state. */
export interface LaneChange {
  readonly failures: number
  readonly pausedUntilMs: number | null
  readonly opened: boolean
  readonly closed: boolean
}

/**
 * What a type learns from outcomes, in the order they were settled; undefined when nothing changes. Failures in a row
 * open the breaker: the type rests, then one job is tried; a completed one closes it. An outcome that asks for a rest of
 * the whole type gets it, failures or not.
 */
export function afterOutcomes(
  limits: ResolvedLimits,
  state: LaneState,
  news: { ended: readonly EndedJob[]; nowMs: number },
): LaneChange | undefined {
  const { breaker } = limits
  let { failures, pausedUntilMs } = state
  const wasOpen = breaker !== undefined && failures >= breaker.failures
  for (const { outcome } of news.ended) {
    if (outcome.kind === 'completed') failures = 0
    if (outcome.kind === 'retry' || outcome.kind === 'failed') {
      failures += 1
      if (breaker && failures >= breaker.failures) pausedUntilMs = news.nowMs + breaker.restMs
    }
    if (outcome.kind === 'snoozed' && outcome.rests === 'type') {
      const { wake } = outcome
      const until = 'at' in wake ? wake.at.getTime() : news.nowMs + wake.delayMs
      pausedUntilMs = Math.max(pausedUntilMs ?? 0, until)
    }
  }
  if (!breaker) failures = 0
  if (failures === state.failures && pausedUntilMs === state.pausedUntilMs) return undefined
  const isOpen = breaker !== undefined && failures >= breaker.failures
  return { failures, pausedUntilMs, opened: isOpen && !wasOpen, closed: wasOpen && !isOpen }
}
