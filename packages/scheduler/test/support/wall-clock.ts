import type { DstPolicy } from 'belfry'

const MINUTE = 60_000

/** What a clock on the wall shows, minute by minute; wall times as the `Date` that reads the same in UTC. */
export type Readings = readonly { readonly instant: number; readonly wall: number }[]

/** Asks the platform for every single minute: slow, and without an idea of what an offset is. */
export function readingsOf(zone: string, from: number, to: number): Readings {
  const clock = new Intl.DateTimeFormat('en', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  })
  const readings: { instant: number; wall: number }[] = []
  for (let instant = from; instant < to; instant += MINUTE) {
    const parts = Object.fromEntries(clock.formatToParts(instant).map(part => [part.type, Number(part.value)]))
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0 } = parts
    readings.push({ instant, wall: Date.UTC(year, month - 1, day, hour, minute) })
  }
  return readings
}

/** A rule as a test of what the wall shows. */
export interface Wanted {
  /** By wildcard or step, within the day. */
  readonly elapsed: boolean
  matches(wall: Date): boolean
}

/** When a rule should fire, found by looking at every minute. */
export function scanned(
  readings: Readings,
  wanted: Wanted,
  range: { dst: DstPolicy; from: number; to: number },
): string[] {
  const fires = new Set<number>()
  const seen = new Set<number>()
  let highest = (readings[0]?.wall ?? 0) - MINUTE
  for (const { instant, wall } of readings) {
    // What lies between the highest reading so far and this one was never shown.
    const gap = highest + MINUTE
    for (let leftOut = gap; leftOut < wall; leftOut += MINUTE) {
      if (range.dst !== 'once' || !wanted.matches(new Date(leftOut))) continue
      fires.add(wanted.elapsed ? instant + (leftOut - gap) : instant)
    }
    const isFirst = !seen.has(wall)
    if (wanted.matches(new Date(wall)) && (isFirst || wanted.elapsed || range.dst === 'wall')) fires.add(instant)
    seen.add(wall)
    highest = Math.max(highest, wall)
  }
  return [...fires]
    .toSorted((a, b) => a - b)
    .filter(instant => instant >= range.from && instant < range.to)
    .map(instant => new Date(instant).toISOString())
}
