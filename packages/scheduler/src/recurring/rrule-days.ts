import type { Rrule } from './rrule-text.ts'

export const DAY_MS = 86_400_000

/** What the parts of a rule ask of a calendar day, worked out when asked. */
class Day {
  readonly #midnight: number
  readonly #date: Date

  constructor(midnight: number) {
    this.#midnight = midnight
    this.#date = new Date(midnight)
  }

  get month(): number {
    return this.#date.getUTCMonth() + 1
  }

  get weekday(): number {
    return this.#date.getUTCDay()
  }

  get monthDay(): number {
    return this.#date.getUTCDate()
  }

  get monthLength(): number {
    return new Date(Date.UTC(this.#year, this.month, 0)).getUTCDate()
  }

  get yearDay(): number {
    return (this.#midnight - Date.UTC(this.#year)) / DAY_MS + 1
  }

  get yearLength(): number {
    return (Date.UTC(this.#year + 1) - Date.UTC(this.#year)) / DAY_MS
  }

  get #year(): number {
    return this.#date.getUTCFullYear()
  }
}

/** Whether a day, given as its midnight, is one the rule wants. Every part that is given must agree. */
export type DayTest = (midnight: number) => boolean

/**
 * The test of a rule's days. What the rule leaves open is taken from `anchor`, the wall time it starts from: the day of a
 * yearly or monthly rule, the weekday of a weekly one.
 */
export function dayTest(rule: Rrule, anchor: number): DayTest {
  const { byMonth, byWeekNo, byYearDay, byMonthDay, byDay } = completed(
    rule,
    new Day(Math.floor(anchor / DAY_MS) * DAY_MS),
  )
  return midnight => {
    const day = new Day(midnight)
    return (
      (!byMonth || byMonth.includes(day.month)) &&
      (!byMonthDay || fromEitherEnd(byMonthDay, day.monthDay, day.monthLength)) &&
      (!byYearDay || fromEitherEnd(byYearDay, day.yearDay, day.yearLength)) &&
      (!byDay || byDay.some(({ nth, weekday }) => day.weekday === weekday && isNth(rule, day, nth))) &&
      (!byWeekNo || isInWeeks(byWeekNo, midnight, rule.weekStart))
    )
  }
}

function completed(rule: Rrule, anchor: Day): Rrule {
  const { frequency, byMonth, byWeekNo, byYearDay, byMonthDay, byDay } = rule
  if (byYearDay || byMonthDay || byDay) return rule
  const weekday = [{ nth: 0, weekday: anchor.weekday }]
  if (frequency === 'WEEKLY') return { ...rule, byDay: weekday }
  if (frequency === 'MONTHLY') return { ...rule, byMonthDay: [anchor.monthDay] }
  if (frequency !== 'YEARLY') return rule
  if (byWeekNo) return { ...rule, byDay: weekday }
  return { ...rule, byMonth: byMonth ?? [anchor.month], byMonthDay: [anchor.monthDay] }
}

function fromEitherEnd(wanted: readonly number[], position: number, length: number): boolean {
  return wanted.includes(position) || wanted.includes(position - length - 1)
}

/** The nth weekday of the month; of the year in a yearly rule that names no months. */
function isNth(rule: Rrule, day: Day, nth: number): boolean {
  if (nth === 0) return true
  const ofYear = rule.frequency === 'YEARLY' && !rule.byMonth
  const [position, length] = ofYear ? [day.yearDay, day.yearLength] : [day.monthDay, day.monthLength]
  return nth > 0 ? Math.ceil(position / 7) === nth : Math.ceil((length - position + 1) / 7) === -nth
}

/** Week 1 is the first with four or more days in its year (RFC 5545, as ISO 8601 with any first day of the week). */
function isInWeeks(wanted: readonly number[], midnight: number, weekStart: number): boolean {
  const week = weekOf(midnight, weekStart)
  // Its fourth day decides which year a week belongs to.
  const year = new Date(week + 3 * DAY_MS).getUTCFullYear()
  const first = weekOf(Date.UTC(year, 0, 4), weekStart)
  const weeks = (weekOf(Date.UTC(year + 1, 0, 4), weekStart) - first) / (7 * DAY_MS)
  return fromEitherEnd(wanted, (week - first) / (7 * DAY_MS) + 1, weeks)
}

/** The midnight a day's week begins with. */
export function weekOf(midnight: number, weekStart: number): number {
  return midnight - ((new Date(midnight).getUTCDay() - weekStart + 7) % 7) * DAY_MS
}
