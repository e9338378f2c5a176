import type { ResolvedKeyLimits, ResolvedLimits } from '../job/limits.ts'
import { admitByKey, admitByType, afterStarts, type Candidate, type LaneState } from './admission.ts'
import type { Meters } from './meter.ts'

/** One key whose turn it may be. */
export interface KeyQueue {
  readonly key: string
  readonly state: LaneState
  /** The first of its due jobs. */
  readonly candidates: readonly Candidate[]
}

/** Jobs that wait for their turn. */
export interface Waiting {
  readonly queues: readonly KeyQueue[]
  /** Those that hold their key's slot already. */
  readonly holding: readonly KeyQueue[]
  readonly keyless: readonly Candidate[]
}

/** Which jobs start now, and what their type and keys remember of it. */
export interface FairDecision {
  readonly admitted: readonly string[]
  /** The last key that was served: the next look begins behind it. */
  readonly lastKey: string | undefined
  readonly type: Meters
  readonly keys: ReadonlyMap<string, Meters>
  /** When the first of those that wait for time alone may start, in ms since 1970; null: none does. */
  readonly againAtMs: number | null
  /** The type's own rate or budget holds back the first that did not fit, and all others with it. */
  readonly isTypeSpent: boolean
}

/**
 * Shares what may start among keys: the next slot goes to the key that holds the fewest, and of those with as many to
 * the one whose turn it is; who holds one already comes first. Jobs without a key take turns as one key would, without a
 * key's limits.
 */
export function shareFairly(
  limits: ResolvedLimits & { readonly perKey: ResolvedKeyLimits },
  type: Meters,
  work: Waiting & { readonly most: number; readonly nowMs: number },
): FairDecision {
  const { queues, holding, most, nowMs } = work
  let ofKeysMs: number | null = null
  const ableOf = ({ key, state, candidates }: KeyQueue, place: number) => {
    const { admitted, parked } = admitByKey(limits.perKey, state, { candidates, nowMs })
    const untilMs = parked.find(each => each.untilMs !== null)?.untilMs ?? null
    if (untilMs !== null) ofKeysMs = Math.min(ofKeysMs ?? untilMs, untilMs)
    return admitted.map((jobId, index) => ({ key, place, held: state.running + index, job: byId(candidates, jobId) }))
  }
  const keyless = work.keyless.map((job, index) => ({ key: '', place: -1, held: index, job }))
  const turns = [...keyless, ...queues.flatMap(ableOf)].toSorted((a, b) => a.held - b.held || a.place - b.place)
  const chosen = [...holding.flatMap(ableOf), ...turns].slice(0, most)
  const byType = admitByType(limits, type, { candidates: chosen.map(each => each.job), nowMs })
  const started = chosen.slice(0, byType.admitted.length)
  const keys = new Map<string, Meters>()
  for (const { key, state } of [...holding, ...queues]) {
    const ofKey = started.filter(each => each.key === key).map(each => each.job)
    if (ofKey.length > 0) keys.set(key, afterStarts(limits.perKey, state, { started: ofKey, nowMs }))
  }
  const lastPlace = Math.max(-1, ...turns.filter(each => keys.has(each.key)).map(each => each.place))
  return {
    admitted: byType.admitted,
    lastKey: queues[lastPlace]?.key,
    type: byType.meters,
    keys,
    againAtMs: byType.againAtMs ?? ofKeysMs,
    isTypeSpent: byType.againAtMs !== null,
  }
}

function byId(candidates: readonly Candidate[], jobId: string): Candidate {
  const found = candidates.find(each => each.jobId === jobId)
  if (!found) throw new RangeError(`no candidate ${jobId}`)
  return found
}
