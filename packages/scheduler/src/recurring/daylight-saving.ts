import { LATEST_WALL, type WallRule } from './wall-rule.ts'
import type { Segment, Zone } from '../runtime/zone.ts'

/**
 * What becomes of fixed times (no wildcard, no step) on the days on which the clocks change.
 *
 * - `once`: exactly one run per intended time. One that the clock leaves out runs at the first instant after the gap,
 *   one that comes twice runs at the first of the two.
 * - `skip`: one that is left out does not run; one that comes twice runs at the first of the two.
 * - `wall`: whenever the clock on the wall shows the time: never for one that is left out, twice for one that comes twice.
 *
 * Rules with wildcards or steps go by elapsed time: they run in both passes of a repeated hour, and under `once` those
 * that fall into a gap run as long after the one before them as ever.
 */
export type DstPolicy = (typeof DST_POLICIES)[number]

export const DST_POLICIES = ['once', 'skip', 'wall'] as const

/** No zone is further from UTC than this. */
const FARTHEST_OFFSET_MS = 86_400_000

/** The rule, the zone and the policy: all that decides which instants a rule means. */
export interface LocalRule {
  readonly wall: WallRule
  readonly zone: Zone
  readonly dst: DstPolicy
}

/** The first occurrence strictly after an instant. Both in milliseconds since 1970. */
export function nextInstant(rule: LocalRule, after: number): number | undefined {
  for (let at = after + 1; at < LATEST_WALL; ) {
    const segment = rule.zone.segmentAt(at)
    const shown = naturalIn(rule, segment, at)
    const instant = shown === undefined ? undefined : shown - segment.offset
    const madeUp = madeUpIn(rule, segment, at)
    if (madeUp !== undefined && (instant === undefined || madeUp < instant)) return madeUp
    if (instant === undefined) return undefined
    if (instant < segment.to) return instant
    at = segment.to
    // Far beyond this stretch: on to just before it. In between the clock shows nothing the rule wants.
    if (shown !== undefined) at = Math.max(at, furthestSure(rule, segment, shown))
  }
  return undefined
}

/** The first time at or after `at` that the clock shows, which may lie beyond the segment. */
function naturalIn({ wall, dst }: LocalRule, segment: Segment, at: number): number | undefined {
  const shown = at + segment.offset
  const isRepeat = segment.before > segment.offset && dst !== 'wall' && !wall.elapsed
  const unseen = isRepeat ? segment.from + segment.before : shown
  return wall.next(Math.max(shown, unseen) - 1)
}

/** The first instant at or after `at` that stands for a time left out by the gap this segment begins with. */
function madeUpIn({ wall, dst }: LocalRule, segment: Segment, at: number): number | undefined {
  const { from, to, offset, before } = segment
  if (before >= offset || dst !== 'once') return undefined
  const gapEnd = from + offset
  if (!wall.elapsed) {
    const leftOut = from >= at ? wall.next(from + before - 1) : undefined
    return leftOut !== undefined && leftOut < gapEnd ? from : undefined
  }
  const leftOut = wall.next(Math.max(from, at) + before - 1)
  return leftOut !== undefined && leftOut < gapEnd && leftOut - before < to ? leftOut - before : undefined
}

/** An instant before which nothing can happen when the next time the rule wants is `shown`. */
function furthestSure(rule: LocalRule, segment: Segment, shown: number): number {
  // Repeated times of the next segment lie before `shown`: it is looked at as it comes.
  const next = rule.zone.segmentAt(segment.to)
  return next.offset < segment.offset ? segment.to : shown - FARTHEST_OFFSET_MS
}

/** The last instant at which the clock shows a wall time; if it never does, the end of the gap that leaves it out. */
export function lastShowing(zone: Zone, wall: number): number {
  let last: number | undefined
  for (let at = wall - FARTHEST_OFFSET_MS; at <= wall + FARTHEST_OFFSET_MS; ) {
    const segment = zone.segmentAt(at)
    const instant = wall - segment.offset
    if (instant < segment.from) return last ?? segment.from
    if (instant < segment.to) last = instant
    at = segment.to
  }
  return last ?? wall
}
