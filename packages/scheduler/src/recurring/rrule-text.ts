import { invalidRule } from './invalid-rule.ts'

export const FREQUENCIES = ['YEARLY', 'MONTHLY', 'WEEKLY', 'DAILY', 'HOURLY', 'MINUTELY', 'SECONDLY'] as const
export type Frequency = (typeof FREQUENCIES)[number]

/** Days of the week as RFC 5545 names them; the index is that of `Date.getUTCDay`. */
export const WEEKDAYS = ['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA'] as const

/** A weekday, or the nth of a month or year (from the end when negative); 0: every one. */
export interface ByDay {
  readonly nth: number
  readonly weekday: number
}

/** A recurrence rule of RFC 5545, section 3.3.10. Lists are sorted; undefined where the rule says nothing. */
export interface Rrule {
  /** In upper case, without `RRULE:`. */
  readonly text: string
  readonly frequency: Frequency
  readonly interval: number
  readonly count: number | undefined
  /** The last instant or, without `Z`, the last wall time. Milliseconds. */
  readonly until: { readonly at: number; readonly isWall: boolean } | undefined
  readonly byMonth: readonly number[] | undefined
  readonly byWeekNo: readonly number[] | undefined
  readonly byYearDay: readonly number[] | undefined
  readonly byMonthDay: readonly number[] | undefined
  readonly byDay: readonly ByDay[] | undefined
  readonly byHour: readonly number[] | undefined
  readonly byMinute: readonly number[] | undefined
  readonly bySecond: readonly number[] | undefined
  readonly bySetPos: readonly number[] | undefined
  /** The first day of the week. Default Monday. */
  readonly weekStart: number
}

const LONGEST_RRULE = 500
/** About 30 years of seconds; more is a slip. */
const LARGEST = 1_000_000_000
const DAY_MS = 86_400_000
const KNOWN = new Set(
  'FREQ INTERVAL COUNT UNTIL BYMONTH BYWEEKNO BYYEARDAY BYMONTHDAY BYDAY BYHOUR BYMINUTE BYSECOND BYSETPOS WKST'.split(
    ' ',
  ),
)

/** Whether text means a recurrence rule rather than cron. */
export function isRrule(text: string): boolean {
  return /^\s*(RRULE:|FREQ=)/i.test(text)
}

/**
 * Reads a recurrence rule, with or without `RRULE:` in front. Nothing in it is passed over silently.
 * @throws BelfryError `BELFRY_INVALID_RULE`
 */
export function readRrule(input: unknown): Rrule {
  const refuse = (reason: string): never => {
    throw invalidRule(input, reason)
  }
  if (typeof input !== 'string' || input.length > LONGEST_RRULE) {
    return refuse(`a recurrence rule is text of at most ${LONGEST_RRULE} characters`)
  }
  const text = input
    .trim()
    .toUpperCase()
    .replace(/^RRULE:/, '')
  if (/[\s:]/.test(text)) refuse('one RRULE line and nothing else: give DTSTART as start and TZID as timeZone')
  const parts = new Map<string, string>()
  for (const part of text.split(';')) {
    const [name = '', value = ''] = part.split('=', 2)
    if (!KNOWN.has(name) || value === '' || part.split('=').length !== 2) refuse(`no part ${JSON.stringify(part)}`)
    if (parts.has(name)) refuse(`${name} twice`)
    parts.set(name, value)
  }
  const read = <T>(name: string, parse: (value: string) => T | undefined, expected: string): T | undefined => {
    const value = parts.get(name)
    return value === undefined ? undefined : (parse(value) ?? refuse(`${name}: expected ${expected}`))
  }
  const numbers = (name: string, least: number, most: number) =>
    read(name, value => numbersOf(value, least, most), `numbers from ${least} to ${most}`)
  const fromBothEnds = (name: string, most: number) =>
    read(name, value => numbersOf(value, -most, most, 0), `numbers from 1 to ${most} or -${most} to -1`)
  const one = (name: string) => read(name, value => wholeOf(value, 1, LARGEST), `a whole number from 1 to ${LARGEST}`)
  const rule: Rrule = {
    text: `RRULE:${text}`,
    frequency: read('FREQ', frequencyOf, FREQUENCIES.join(', ')) ?? refuse('FREQ is missing'),
    interval: one('INTERVAL') ?? 1,
    count: one('COUNT'),
    until: read('UNTIL', untilOf, '20271231, 20271231T090000 or 20271231T090000Z'),
    byMonth: numbers('BYMONTH', 1, 12),
    byWeekNo: fromBothEnds('BYWEEKNO', 53),
    byYearDay: fromBothEnds('BYYEARDAY', 366),
    byMonthDay: fromBothEnds('BYMONTHDAY', 31),
    byDay: read('BYDAY', daysOf, 'days such as MO,-1FR'),
    byHour: numbers('BYHOUR', 0, 23),
    byMinute: numbers('BYMINUTE', 0, 59),
    bySecond: numbers('BYSECOND', 0, 59),
    bySetPos: fromBothEnds('BYSETPOS', 366),
    weekStart: read('WKST', weekdayOf, WEEKDAYS.join(', ')) ?? 1,
  }
  const conflict = conflictIn(rule)
  return conflict === undefined ? rule : refuse(conflict)
}

/** What RFC 5545 forbids: parts that mean nothing together. */
function conflictIn(rule: Rrule): string | undefined {
  const { frequency } = rule
  if (rule.count !== undefined && rule.until) return 'COUNT or UNTIL, not both'
  if (rule.byWeekNo && frequency !== 'YEARLY') return 'BYWEEKNO with FREQ=YEARLY only'
  if (rule.byYearDay && ['DAILY', 'WEEKLY', 'MONTHLY'].includes(frequency)) return `no BYYEARDAY with FREQ=${frequency}`
  if (rule.byMonthDay && frequency === 'WEEKLY') return 'no BYMONTHDAY with FREQ=WEEKLY'
  const counted = rule.byDay?.some(day => day.nth !== 0)
  if (counted && frequency !== 'MONTHLY' && (frequency !== 'YEARLY' || rule.byWeekNo)) {
    return 'a numbered BYDAY with FREQ=MONTHLY, or FREQ=YEARLY without BYWEEKNO, only'
  }
  const others = [rule.byMonth, rule.byWeekNo, rule.byYearDay, rule.byMonthDay, rule.byDay, rule.byHour, rule.byMinute]
  if (rule.bySetPos && ![...others, rule.bySecond].some(Boolean)) return 'BYSETPOS together with another BY part only'
  return undefined
}

function frequencyOf(value: string): Frequency | undefined {
  return FREQUENCIES.find(each => each === value)
}

function wholeOf(value: string, least: number, most: number): number | undefined {
  const number = /^[+-]?\d{1,10}$/.test(value) ? Number(value) : Number.NaN
  return number >= least && number <= most ? number : undefined
}

/** Distinct and sorted. */
function numbersOf(value: string, ...[least, most, never]: [number, number, number?]): readonly number[] | undefined {
  const numbers = value.split(',').map(each => wholeOf(each, least, most))
  if (numbers.includes(undefined) || (never !== undefined && numbers.includes(never))) return undefined
  return [...new Set(numbers.filter(each => each !== undefined))].toSorted((a, b) => a - b)
}

function daysOf(value: string): readonly ByDay[] | undefined {
  const days: ByDay[] = []
  for (const each of value.split(',')) {
    const [, nth, name = ''] = /^([+-]?\d{1,2})?([A-Z]{2})$/.exec(each) ?? []
    const weekday = weekdayOf(name)
    const number = nth === undefined ? 0 : Number(nth)
    if (weekday === undefined || Math.abs(number) > 53 || (nth !== undefined && number === 0)) return undefined
    days.push({ nth: number, weekday })
  }
  return days
}

function weekdayOf(name: string): number | undefined {
  const index = WEEKDAYS.findIndex(each => each === name)
  return index < 0 ? undefined : index
}

/** A date alone means its whole day. */
function untilOf(value: string): Rrule['until'] {
  const [, year, month, day, time, hour, minute, second, zulu] =
    /^(\d{4})(\d\d)(\d\d)(T(\d\d)(\d\d)(\d\d)(Z)?)?$/.exec(value) ?? []
  if (year === undefined) return undefined
  const date = Date.UTC(Number(year), Number(month) - 1, Number(day))
  if (new Date(date).getUTCDate() !== Number(day) || Number(month) > 12) return undefined
  if (time === undefined) return { at: date + DAY_MS - 1_000, isWall: true }
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined
  return {
    at: date + (Number(hour) * 60 + Number(minute)) * 60_000 + Number(second) * 1_000,
    isWall: zulu === undefined,
  }
}
