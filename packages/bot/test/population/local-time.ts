const MINUTE_MS = 60_000
const DAY_MINUTES = 1_440

/** Minutes of the day; `start` later than `end` goes over midnight. */
export interface Hours {
  readonly start: number
  readonly end: number
}

const shown = new Map<string, Intl.DateTimeFormat>()

/** What a clock on the wall shows in a zone, in minutes since midnight. */
export function wallMinute(zone: string, instant: number): number {
  let format = shown.get(zone)
  if (!format) {
    format = new Intl.DateTimeFormat('en-GB', { timeZone: zone, timeStyle: 'short' })
    shown.set(zone, format)
  }
  const [hour = 0, minute = 0] = format.format(instant).split(':').map(Number)
  return hour * 60 + minute
}

export function isWithin(minute: number, { start, end }: Hours): boolean {
  if (start === end) return false
  return start < end ? start <= minute && minute < end : minute >= start || minute < end
}

/** The first minute at or after an instant that is within these hours of a zone's day. */
export function nextWithin(zone: string, hours: Hours, instant: number): number {
  let at = instant
  while (!isWithin(wallMinute(zone, at), hours)) at += 10 * MINUTE_MS
  return at
}

/** How far two times of day are apart, in minutes, the short way round. */
export function minutesApart(a: number, b: number): number {
  const ahead = (((a - b) % DAY_MINUTES) + DAY_MINUTES) % DAY_MINUTES
  return Math.min(ahead, DAY_MINUTES - ahead)
}

/** Minutes since midnight in UTC. */
export function utcMinute(instant: number): number {
  return Math.floor(instant / MINUTE_MS) % DAY_MINUTES
}

/** `07:30` */
export function sayMinute(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
}
