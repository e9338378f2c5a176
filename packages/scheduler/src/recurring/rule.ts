import { requireWhole } from '../job/whole.ts'
import { requireChoice } from './choice.ts'
import { cronRule } from './cron-rule.ts'
import { DST_POLICIES, lastShowing, nextInstant, type DstPolicy } from './daylight-saving.ts'
import { requireInstant } from './instant.ts'
import { invalidRule } from './invalid-rule.ts'
import { recurrence } from './rrule.ts'
import { isRrule, readRrule } from './rrule-text.ts'
import { lastUntil } from './search-back.ts'
import { zoneOf, type Zone } from '../runtime/zone.ts'
import { parseDuration, type Duration } from '../runtime/duration.ts'
import type { WallRule } from './wall-rule.ts'

/** From when, until when and how often a rule fires. Instants as a `Date` or ISO text. */
export type RuleBounds = {
  /** The last instant it may fire at. */
  readonly end?: Date | string
} & (
  | {
      /** The first instant it may fire at; intervals and recurrence rules count from it. */
      readonly start?: Date | string
      readonly count?: never
    }
  | {
      readonly start: Date | string
      /** Occurrences in all, counted from `start`, which it therefore needs. At most 10,000. */
      readonly count: number
    }
)

/**
 * When a schedule fires: cron text, a recurrence rule's text (`RRULE:…`), or an object that says which of them it is
 * and may bound it.
 */
export type RuleInput =
  | string
  | (RuleBounds & { readonly cron: string; readonly every?: never; readonly rrule?: never })
  | (RuleBounds & { readonly every: Duration; readonly cron?: never; readonly rrule?: never })
  | (RuleBounds & { readonly rrule: string; readonly cron?: never; readonly every?: never })

/** A checked rule. `next` is the only function that knows when it fires: preview, firing and catching up share it. */
export interface Rule {
  /** As stored: parsing it again, with the same bounds, gives the same rule. */
  readonly text: string
  readonly timeZone: string
  readonly dst: DstPolicy
  /** As stored: ISO texts. */
  readonly bounds: { readonly start?: string; readonly end?: string; readonly count?: number }
  /** The first occurrence strictly after an instant; undefined when there is none before the year 3000. */
  next(after: Date): Date | undefined
  /** The last occurrence at or before an instant; undefined when there is none since 1970. */
  lastUntil(instant: Date): Date | undefined
}

const EVERY = 'every '
/** Shorter intervals are a loop, not a schedule. */
const SHORTEST_INTERVAL_MS = 1_000
/** Finding the last of this many takes a second or two, once; of rules that search long for each, fewer can be counted. */
const MOST_COUNTED = 10_000
const MOST_COUNTING_STEPS = 1_500_000
const LATEST = Date.UTC(3000, 0, 1)

/** Both in milliseconds since 1970. */
type NextInstant = (after: number) => number | undefined

/**
 * Parses a rule: cron with 5 fields or 6 (seconds first), a nickname (`@daily` …), an interval (`{ every: '5m' }` or
 * `'every 5m'`), or a recurrence rule of RFC 5545 (`{ rrule: 'FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9' }` or its text).
 *
 * Intervals count from `start`, else from 1970, so that a restart shifts nothing. What a recurrence rule leaves open it
 * takes from `start`, else from Thursday, 1 January 1970, 00:00 on the wall.
 *
 * @param timeZone IANA name; default UTC, never the process's zone
 * @param dst what becomes of fixed times on the days on which the clocks change; default `once`
 * @throws BelfryError `BELFRY_INVALID_RULE` (also for one that never comes true), `BELFRY_INVALID_TIME_ZONE`,
 *   `BELFRY_INVALID_DURATION`, `BELFRY_INVALID_OPTION`
 */
export function parseRule(input: RuleInput, timeZone = 'UTC', dst: DstPolicy = 'once'): Rule {
  const zone = zoneOf(timeZone)
  requireChoice(dst, { name: 'dst', of: DST_POLICIES })
  const [kind, value] = kindOf(input)
  const given = givenBounds(input)
  const read = READERS[kind](value, { zone, start: given.start })
  if (given.count !== undefined && read.count !== undefined) throw invalidRule(input, 'COUNT or count, not both')
  const count = given.count ?? read.count
  if (count !== undefined && given.start === undefined) throw invalidRule(input, 'a count needs a start to count from')
  if (count !== undefined && count > MOST_COUNTED) throw invalidRule(input, `a count of at most ${MOST_COUNTED}`)
  const next = read.next ?? (after => nextInstant({ wall: read.wall, zone, dst }, after))
  const counting = {
    steps: () => read.wall?.steps ?? 0,
    tooFar: () => invalidRule(input, 'a smaller count: its last lies too far off'),
  }
  const find = bounded(next, { start: given.start, end: earliest(given.end, read.end), count, ...counting })
  if (find(-1) === undefined) throw invalidRule(input, 'it never comes true')
  return {
    text: read.text,
    timeZone: zone.name,
    dst,
    bounds: storedBounds(given),
    next: after => dateOf(find(after.getTime())),
    lastUntil: instant => dateOf(lastUntil(find, instant.getTime())),
  }
}

/** Parses a rule again from what is stored of it. */
export function parseStoredRule(stored: Pick<Rule, 'text' | 'timeZone' | 'dst' | 'bounds'>): Rule {
  const [kind, value] = kindOf(stored.text)
  return parseRule({ ...stored.bounds, [kind]: value } as RuleInput, stored.timeZone, stored.dst)
}

/** Both in milliseconds since 1970. */
interface GivenBounds {
  readonly start: number | undefined
  readonly end: number | undefined
  readonly count: number | undefined
}

function givenBounds(input: RuleInput): GivenBounds {
  const { start, end, count }: RuleBounds = typeof input === 'object' ? input : {}
  return {
    start: start === undefined ? undefined : requireInstant(start, 'start'),
    end: end === undefined ? undefined : requireInstant(end, 'end'),
    count: requireWhole(count, { name: 'count', least: 1 }),
  }
}

function storedBounds({ start, end, count }: GivenBounds): Rule['bounds'] {
  return {
    ...(start !== undefined && { start: new Date(start).toISOString() }),
    ...(end !== undefined && { end: new Date(end).toISOString() }),
    ...(count !== undefined && { count }),
  }
}

function earliest(...instants: (number | undefined)[]): number {
  return Math.min(LATEST - 1, ...instants.filter(each => each !== undefined))
}

function dateOf(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms)
}

/** The next occurrences after an instant, by the very function that fires them; fewer than `count` when the rule ends. */
export function previewOccurrences(rule: Rule, from: Date, count: number): Date[] {
  const occurrences: Date[] = []
  for (let after: Date | undefined = from; occurrences.length < count; ) {
    after = rule.next(after)
    if (!after) break
    occurrences.push(after)
  }
  return occurrences
}

type Kind = 'cron' | 'every' | 'rrule'

/** What a kind of rule is before its bounds: times on the wall, or instants. */
type Read = {
  readonly text: string
  readonly end?: number | undefined
  readonly count?: number | undefined
} & ({ readonly wall: WallRule; readonly next?: never } | { readonly next: NextInstant; readonly wall?: never })

function kindOf(input: RuleInput): [Kind, unknown] {
  if (typeof input === 'string') {
    if (isRrule(input)) return ['rrule', input]
    return input.trim().startsWith(EVERY) ? ['every', input.trim().slice(EVERY.length)] : ['cron', input]
  }
  const given = Object(input) as typeof input
  const kinds = (['cron', 'every', 'rrule'] as const).filter(kind => Object.hasOwn(given, kind))
  const [kind] = kinds
  if (kind === undefined || kinds.length > 1) throw invalidRule(input, 'one of cron, every and rrule')
  const unknown = Object.keys(given).find(key => ![kind, 'start', 'end', 'count'].includes(key))
  if (unknown !== undefined) throw invalidRule(input, `no option ${unknown}; start, end and count are those there are`)
  return [kind, given[kind]]
}

const READERS: Record<Kind, (value: unknown, given: { zone: Zone; start: number | undefined }) => Read> = {
  cron(value) {
    const wall = cronRule(value)
    return { text: wall.text, wall }
  },
  every(value, { start = 0 }) {
    const ms = parseDuration(value as Duration, 'every')
    if (ms < SHORTEST_INTERVAL_MS) throw invalidRule({ every: value }, 'an interval of a second or more')
    return { text: `${EVERY}${ms}ms`, next: after => start + (Math.floor((after - start) / ms) + 1) * ms }
  },
  rrule(value, { zone, start }) {
    const rule = readRrule(value)
    const wall = recurrence(rule, start === undefined ? undefined : start + zone.segmentAt(start).offset)
    const { until, count } = rule
    return { text: rule.text, wall, end: until?.isWall ? lastShowing(zone, until.at) : until?.at, count }
  },
}

function bounded(
  next: NextInstant,
  bounds: { start: number | undefined; end: number; count: number | undefined } & Counting,
): NextInstant {
  const from = (bounds.start ?? 0) - 1
  const until =
    (end: number): NextInstant =>
    after => {
      const found = next(Math.max(after, from))
      return found !== undefined && found <= end ? found : undefined
    }
  const uncounted = until(bounds.end)
  const { count } = bounds
  if (count === undefined) return uncounted
  let last: number | undefined
  return after => {
    last ??= nth(uncounted, { ...bounds, from, count })
    return until(last)(after)
  }
}

/** How long counting has been looking, and what it says when that was long enough. */
interface Counting {
  steps(): number
  tooFar(): Error
}

/** The nth occurrence, or the last when there are fewer. */
function nth(next: NextInstant, { from, count, steps, tooFar }: { from: number; count: number } & Counting): number {
  const most = steps() + MOST_COUNTING_STEPS
  let last = from
  for (let found = 0; found < count; found += 1) {
    const occurrence = next(last)
    if (steps() > most) throw tooFar()
    if (occurrence === undefined) break
    last = occurrence
  }
  return last
}
