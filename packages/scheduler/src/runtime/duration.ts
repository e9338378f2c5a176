import { BelfryError, show } from '../errors.ts'

/** A span of time: milliseconds as a number, or text such as `'30s'`, `'1.5h'`, `'2 days'`. */
export type Duration = number | string

const MILLISECONDS_PER: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

const UNIT_NAMES: Readonly<Record<string, string>> = {
  ms: 'ms',
  msec: 'ms',
  millisecond: 'ms',
  milliseconds: 'ms',
  s: 's',
  sec: 's',
  secs: 's',
  second: 's',
  seconds: 's',
  m: 'm',
  min: 'm',
  mins: 'm',
  minute: 'm',
  minutes: 'm',
  h: 'h',
  hr: 'h',
  hrs: 'h',
  hour: 'h',
  hours: 'h',
  d: 'd',
  day: 'd',
  days: 'd',
  w: 'w',
  week: 'w',
  weeks: 'w',
}

/** One hundred years; anything longer is a slip of the unit. */
const LONGEST_MS = 100 * 365 * 86_400_000

/**
 * Milliseconds in a duration. Text is one or more of number and unit (`ms s m h d w` or their English names):
 * `'90s'`, `'1h30m'`, `'2 days'`. Fractions are allowed; the result is rounded to a whole millisecond.
 * @param what the option's name, for the error message
 * @throws BelfryError `BELFRY_INVALID_DURATION` for anything else, negative values and more than a hundred years
 */
export function parseDuration(value: Duration, what = 'duration'): number {
  const ms = typeof value === 'number' ? value : millisecondsOf(value)
  if (ms === undefined || !Number.isFinite(ms) || ms < 0 || ms > LONGEST_MS) {
    throw new BelfryError(
      'BELFRY_INVALID_DURATION',
      `${what}: expected milliseconds from 0 up or text like '30s', '1.5h' or '2d' (at most 100 years), got ${show(value)}`,
    )
  }
  return Math.round(ms)
}

function millisecondsOf(text: string): number | undefined {
  if (typeof text !== 'string' || text.length > 64) return undefined
  const parts = [
    ...text
      .trim()
      .toLowerCase()
      .matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)\s*/gy),
  ]
  if (parts.length === 0 || parts.map(part => part[0]).join('') !== text.trim().toLowerCase()) return undefined
  let total = 0
  for (const [, amount, unit] of parts) {
    const factor = MILLISECONDS_PER[UNIT_NAMES[unit ?? ''] ?? '']
    if (factor === undefined) return undefined
    total += Number(amount) * factor
  }
  return total
}

/**
 * Milliseconds in a duration that must not be nothing.
 * @throws BelfryError `BELFRY_INVALID_DURATION`, `BELFRY_INVALID_OPTION` below 1 ms
 */
export function parseSpan(value: Duration, what: string): number {
  const ms = parseDuration(value, what)
  if (ms >= 1) return ms
  throw new BelfryError('BELFRY_INVALID_OPTION', `${what}: expected 1 ms or more, got ${show(value)}`)
}
