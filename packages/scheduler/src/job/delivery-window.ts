import { BelfryError, show } from '../errors.ts'
import { parseDuration, type Duration } from '../runtime/duration.ts'
import { firstReaching, zoneOf, type Zone } from '../runtime/zone.ts'
import { spreadDelay } from './spread.ts'

const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const

/** A day of the week. */
export type Weekday = (typeof WEEKDAYS)[number]

/** From when until when, as clocks on the wall show it. */
export interface OpeningHours {
  /** `'09:00'`. */
  from: string
  /** `'20:00'`; earlier than `from`: on the day after. `'24:00'` is the end of the day. */
  to: string
  /** Days on which it opens. Default: all. */
  days?: readonly Weekday[]
}

/** When jobs may start: times of day, in the time zone of whoever gets what they deliver. */
export type DeliveryWindow = {
  /** IANA name. Default `'UTC'`, never the process's zone. */
  timeZone?: string
  /** Jobs that were moved to an opening start within so long after it, each at a time of its own. Default: all at once. */
  spread?: Duration
} & (
  | (OpeningHours & { hours?: never })
  | {
      /** Several times of day. */
      hours: readonly OpeningHours[]
      from?: never
      to?: never
      days?: never
    }
)

/** As it is stored: minutes of the day, days of the week from Sunday (0). */
export interface ResolvedWindow {
  readonly hours: readonly { readonly from: number; readonly to: number; readonly days: readonly number[] }[]
  readonly timeZone: string
  readonly spreadMs: number
}

/** When a window is open next. Milliseconds since 1970. */
export interface Opening {
  /** The instant that was asked about, if it is open then. */
  readonly at: number
  /** When it closes after that. */
  readonly until: number
}

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const DAY_MINUTES = 1_440
const MOST_HOURS = 50
/** Days back, so that what opened yesterday and closes today is found, even when a day is skipped between them. */
const DAYS_BACK = 2
/** Twice as many weeks as any gap could spoil. */
const DAYS_AHEAD = 28

/**
 * Checks a window where it is written.
 * @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_TIME_ZONE`, `BELFRY_INVALID_DURATION`
 */
export function resolveWindow(window: DeliveryWindow, what: string): ResolvedWindow {
  if (typeof window !== 'object' || window === null) throw wrong(what, "{ from: '09:00', to: '20:00' }", window)
  const { hours, from, to, days, timeZone = 'UTC', spread = 0 } = window
  if (hours !== undefined && (from !== undefined || to !== undefined || days !== undefined)) {
    throw wrong(what, 'hours, or from and to, not both', from ?? to ?? days)
  }
  const all: readonly unknown[] = hours ?? [{ from, to, days }]
  if (!Array.isArray(all) || all.length === 0 || all.length > MOST_HOURS) {
    throw wrong(`${what}.hours`, `a list of 1 to ${MOST_HOURS} times of day`, hours)
  }
  return {
    hours: all.map(each => resolveHours(each, what)),
    timeZone: requireZone(timeZone),
    spreadMs: parseDuration(spread, `${what}.spread`),
  }
}

/** @throws BelfryError `BELFRY_INVALID_TIME_ZONE` */
export function requireZone(timeZone: unknown): string {
  return zoneNamed(timeZone).name
}

/** Whether a value names a time zone. */
export function isZone(value: unknown): boolean {
  try {
    return requireZone(value) !== ''
  } catch {
    return false
  }
}

/** Whether stored JSON is a window. */
export function isResolvedWindow(stored: unknown): stored is ResolvedWindow {
  const { hours, timeZone, spreadMs } = (stored ?? {}) as Partial<Record<keyof ResolvedWindow, unknown>>
  const isSpan = typeof spreadMs === 'number' && Number.isFinite(spreadMs) && spreadMs >= 0
  return isSpan && isZone(timeZone) && Array.isArray(hours) && hours.length > 0 && hours.every(isStoredHours)
}

function isStoredHours(stored: unknown): boolean {
  const { from, to, days } = (stored ?? {}) as { from?: unknown; to?: unknown; days?: unknown }
  const isMinute = (value: unknown) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= DAY_MINUTES
  const isDay = (value: unknown) => Number.isInteger(value) && WEEKDAYS[Number(value)] !== undefined
  return isMinute(from) && isMinute(to) && from !== to && Array.isArray(days) && days.length > 0 && days.every(isDay)
}

function resolveHours(hours: unknown, what: string): ResolvedWindow['hours'][number] {
  const { from, to, days = WEEKDAYS } = (hours ?? {}) as Partial<OpeningHours>
  const opens = minutesOf(from)
  const closes = minutesOf(to)
  if (opens === undefined || opens === DAY_MINUTES) throw wrong(`${what}.from`, "a time of day such as '09:00'", from)
  if (closes === undefined) throw wrong(`${what}.to`, "a time of day such as '20:00' or '24:00'", to)
  if (opens === closes) throw wrong(`${what}.to`, "another time than from; a whole day is '00:00' to '24:00'", to)
  const numbers = Array.isArray(days) ? days.map(day => WEEKDAYS.indexOf(day)) : []
  if (numbers.length === 0 || numbers.includes(-1)) throw wrong(`${what}.days`, `some of ${WEEKDAYS.join(', ')}`, days)
  return { from: opens, to: closes, days: [...new Set(numbers)].toSorted((a, b) => a - b) }
}

function minutesOf(text: unknown): number | undefined {
  const [, hours, minutes] = (typeof text === 'string' && /^([01]\d|2[0-4]):([0-5]\d)$/.exec(text)) || []
  const total = Number(hours) * 60 + Number(minutes)
  return total <= DAY_MINUTES ? total : undefined
}

/**
 * When a window is open next, at an instant or after it. It opens when the clock of its zone first shows the time, and
 * closes when it first shows the other one: a time that the clocks skip opens at the first instant after the gap, hours
 * that are skipped altogether do not open on that day.
 */
export function nextOpening(window: ResolvedWindow, instant: number): Opening {
  const zone = zoneNamed(window.timeZone)
  const today = Math.floor((instant + zone.segmentAt(instant).offset) / DAY_MS) * DAY_MS
  for (let day = -DAYS_BACK; day <= DAYS_AHEAD; day += 1) {
    const opening = firstOn(window, zone, { midnight: today + day * DAY_MS, instant })
    if (opening) return opening
  }
  // No zone skips the same hours for weeks.
  return { at: instant, until: Infinity }
}

/** The first of the hours that begin on a day and are not over at an instant. */
function firstOn(
  { hours }: ResolvedWindow,
  zone: Zone,
  { midnight, instant }: { midnight: number; instant: number },
): Opening | undefined {
  const weekday = new Date(midnight).getUTCDay()
  let first: Opening | undefined
  for (const { from, to, days } of hours) {
    if (!days.includes(weekday)) continue
    const opens = firstReaching(zone, midnight + from * MINUTE_MS)
    const until = firstReaching(zone, midnight + to * MINUTE_MS + (to < from ? DAY_MS : 0))
    if (until <= instant || until <= opens) continue
    const at = Math.max(opens, instant)
    if (!first || at < first.at || (at === first.at && until > first.until)) first = { at, until }
  }
  return first
}

/**
 * When a job may start that is wanted at an instant: then, if the window is open (now, if the instant has passed), or at
 * the next opening, or some while after it by `spread`: always the same for the same key and opening.
 */
export function placeInWindow(
  window: ResolvedWindow,
  { wanted, now, key }: { wanted: number; now: number; key: string },
): number {
  const earliest = Math.max(wanted, now)
  const { at, until } = nextOpening(window, earliest)
  if (at === earliest) return wanted
  return at + spreadDelay(key, new Date(at), Math.min(window.spreadMs, until - at))
}

/** Making a zone costs far more than asking it, and every recipient brings one. There are some 600. */
const zones = new Map<string, Zone>()
const MOST_ZONES = 1_000

function zoneNamed(name: unknown): Zone {
  const known = typeof name === 'string' ? zones.get(name) : undefined
  if (known) return known
  const zone = zoneOf(name)
  if (zones.size >= MOST_ZONES) zones.clear()
  zones.set(zone.name, zone)
  return zone
}

function wrong(name: string, expected: string, got: unknown): BelfryError {
  return new BelfryError('BELFRY_INVALID_OPTION', `${name}: expected ${expected}, got ${show(got)}`)
}
