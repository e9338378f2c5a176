import { BelfryError, show } from '../errors.ts'

/** A stretch of time in which a zone's clocks are not touched. Instants and offsets in milliseconds. */
export interface Segment {
  /** Its first instant. */
  readonly from: number
  /** The first instant after it. */
  readonly to: number
  /** What the clock on the wall is ahead of UTC. */
  readonly offset: number
  /** The offset just before it. Smaller: the clocks were put forward here (a gap); larger: back (an overlap). */
  readonly before: number
}

/** A time zone's clock. "Wall" times are what that clock shows, as the milliseconds of the same reading in UTC. */
export interface Zone {
  readonly name: string
  /** The stretch an instant lies in, cut off at the turns of the year (UTC) if nothing changes near them. */
  segmentAt(instant: number): Segment
}

/** The shortest stretch between two changes since 1970 lasted a week (Recife in October 2000). */
const PROBE_MS = 2 * 86_400_000

/**
 * A zone by its IANA name.
 * @throws BelfryError `BELFRY_INVALID_TIME_ZONE`
 */
export function zoneOf(timeZone: unknown): Zone {
  const { clock, name } = clockIn(timeZone)
  if (name === 'UTC') return { name, segmentAt: () => UNCHANGING }
  const years = new Map<number, readonly Segment[]>()
  return {
    name,
    segmentAt(instant) {
      const year = new Date(instant).getUTCFullYear()
      const segments = years.get(year) ?? segmentsOf(clock, year)
      years.set(year, segments)
      // The stretches of a year cover it without holes.
      return segments.findLast(segment => segment.from <= instant) ?? UNCHANGING
    },
  }
}

/** No zone is further from UTC than this. */
const FARTHEST_OFFSET_MS = 86_400_000

/** The first instant at which a zone's clock shows a wall time, or has gone past it where a gap leaves it out. */
export function firstReaching(zone: Zone, wall: number): number {
  for (let at = wall - FARTHEST_OFFSET_MS; at <= wall + FARTHEST_OFFSET_MS; ) {
    const segment = zone.segmentAt(at)
    const instant = Math.max(segment.from, wall - segment.offset)
    if (instant < segment.to) return instant
    at = segment.to
  }
  return wall
}

const UNCHANGING: Segment = { from: -Infinity, to: Infinity, offset: 0, before: 0 }

function segmentsOf(clock: Intl.DateTimeFormat, year: number): Segment[] {
  const end = Date.UTC(year + 1)
  const segments: Segment[] = []
  // A change just before the turn of the year still matters after it: its overlap may not be over.
  let from = Date.UTC(year) - PROBE_MS
  let before = offsetAt(clock, from - 1)
  let offset = offsetAt(clock, from)
  for (let probe = from; probe < end; ) {
    const next = Math.min(probe + PROBE_MS, end)
    const there = offsetAt(clock, next - 1)
    if (there !== offset) {
      const change = firstChange(clock, { low: probe, high: next - 1, offset })
      segments.push({ from, to: change, offset, before })
      before = offset
      offset = offsetAt(clock, change)
      from = change
    }
    probe = next
  }
  return [...segments, { from, to: end, offset, before }]
}

/** The first instant with another offset; zones change on the second. */
function firstChange(clock: Intl.DateTimeFormat, search: { low: number; high: number; offset: number }): number {
  let low = Math.floor(search.low / 1_000)
  let high = Math.floor(search.high / 1_000)
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (offsetAt(clock, middle * 1_000) === search.offset) low = middle
    else high = middle
  }
  return high * 1_000
}

/** The clock answers `MM/DD/YYYY, HH:MM:SS`: cutting it up is three times as fast as asking for its parts. */
function offsetAt(clock: Intl.DateTimeFormat, instant: number): number {
  const shown = clock.format(instant)
  const part = (start: number, end: number) => Number(shown.slice(start, end))
  const wall = Date.UTC(part(6, 10), part(0, 2) - 1, part(3, 5), part(12, 14), part(15, 17), part(18, 20))
  return wall - Math.floor(instant / 1_000) * 1_000
}

/** The name stays as given: which of a zone's names is the first one differs from one version of Node to the next. */
function clockIn(timeZone: unknown): { clock: Intl.DateTimeFormat; name: string } {
  try {
    if (typeof timeZone !== 'string' || timeZone === '') throw new RangeError('no text')
    const clock = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    })
    return { clock, name: timeZone }
  } catch {
    throw new BelfryError(
      'BELFRY_INVALID_TIME_ZONE',
      `timeZone: expected an IANA name such as 'Europe/Berlin', got ${show(timeZone)}`,
    )
  }
}
