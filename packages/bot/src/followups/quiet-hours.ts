/** Minutes of the day between which nobody is written to; `off` when there are none. `start` > `end` wraps midnight. */
export type QuietHours = 'off' | { readonly start: number; readonly end: number }

const MINUTE_MS = 60_000
const DAY_MINUTES = 1_440

/** `'22:00-08:00'` or `'off'`; the same time twice means none. The text has been checked by the configuration. */
export function parseQuietHours(text: string): QuietHours {
  const found = /^(\d{2}):(\d{2})-(\d{2}):(\d{2})$/.exec(text)
  if (!found) return 'off'
  const [startHour = 0, startMinute = 0, endHour = 0, endMinute = 0] = found.slice(1).map(Number)
  const [start, end] = [startHour * 60 + startMinute, endHour * 60 + endMinute]
  return start === end ? 'off' : { start, end }
}

/** A person's stored quiet hours; undefined for a text that is none, so that nobody takes it for "no quiet hours". */
export function readQuietHours(text: string): QuietHours | undefined {
  return text === 'off' || /^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$/.test(text)
    ? parseQuietHours(text)
    : undefined
}

/** `22:00-08:00` or `off`, as it is typed. */
export function sayQuietHours(quiet: QuietHours): string {
  if (quiet === 'off') return quiet
  const say = (minutes: number) =>
    [Math.floor(minutes / 60), minutes % 60].map(part => String(part).padStart(2, '0')).join(':')
  return `${say(quiet.start)}-${say(quiet.end)}`
}

/**
 * Reads a zone's wall clock, by the zone's rules of the day asked for: minutes since midnight. Making one costs about
 * 0.1 ms, so whoever asks for many instants keeps it.
 */
export function wallClock(timeZone: string): (instant: Date) => number {
  const shown = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  return instant => {
    const [hour = 0, minute = 0] = shown.format(instant).split(':').map(Number)
    return hour * 60 + minute
  }
}

/** Milliseconds of a day that are not quiet. */
export function awakeMs(quiet: QuietHours): number {
  if (quiet === 'off') return DAY_MINUTES * MINUTE_MS
  const quietMinutes = (quiet.end - quiet.start + DAY_MINUTES) % DAY_MINUTES
  return (DAY_MINUTES - quietMinutes) * MINUTE_MS
}

/** Whether a minute of the day is quiet. */
export function isQuietMinute(minute: number, quiet: { start: number; end: number }): boolean {
  const { start, end } = quiet
  return start < end ? minute >= start && minute < end : minute >= start || minute < end
}

/**
 * When the quiet hours that hold at an instant end; undefined when it is not quiet. Walks real minutes, so that a change
 * of the clocks inside the window needs no case of its own. Waking minutes may fall into the hour that a spring day
 * skips (midnight, in Cairo): then the quiet hours of two days are one.
 */
export function quietUntil(instant: Date, quiet: QuietHours, timeZone: string): Date | undefined {
  if (quiet === 'off') return undefined
  const minuteOfDay = wallClock(timeZone)
  if (!isQuietMinute(minuteOfDay(instant), quiet)) return undefined
  const fullMinute = Math.floor(instant.getTime() / MINUTE_MS) * MINUTE_MS
  for (let minutes = 1; minutes <= 2 * DAY_MINUTES + 120; minutes += 1) {
    const later = new Date(fullMinute + minutes * MINUTE_MS)
    if (!isQuietMinute(minuteOfDay(later), quiet)) return later
  }
  return undefined
}

/** How far from the hour of their last message somebody is taken to be awake, when their zone is not known. */
const AWAKE_WITHIN_MINUTES = 180

/**
 * For a person whose zone is not known: they were awake when they last wrote, so the same time of day, three hours
 * either way, is no night. Answers the next instant at exactly that time of day, or undefined when it is fine now.
 */
export function awakeAgainAt(instant: Date, lastMessageAt: Date): Date | undefined {
  const dayMs = DAY_MINUTES * MINUTE_MS
  const since = (((instant.getTime() - lastMessageAt.getTime()) % dayMs) + dayMs) % dayMs
  const distance = Math.min(since, dayMs - since)
  return distance <= AWAKE_WITHIN_MINUTES * MINUTE_MS ? undefined : new Date(instant.getTime() + dayMs - since)
}
