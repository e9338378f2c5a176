import { invalidRule } from './invalid-rule.ts'
import { DAY_MS, dayTest, weekOf, type DayTest } from './rrule-days.ts'
import type { Frequency, Rrule } from './rrule-text.ts'
import { LATEST_WALL, type WallRule } from './wall-rule.ts'

/**
 * Steps of one search: days tested, units passed over. The calendar repeats after 400 years (146,097 days): a rule that
 * has found nothing until then finds nothing at all.
 */
const MOST_STEPS = 200_000

const UNIT_MS: Partial<Record<Frequency, number>> = { HOURLY: 3_600_000, MINUTELY: 60_000, SECONDLY: 1_000 }

/** A rule with what it takes from its anchor, the wall time it counts from. */
interface Plan {
  readonly rule: Rrule
  readonly anchor: number
  readonly isWanted: DayTest
  /** Milliseconds of the day (of the unit, in rules that come again within the day), sorted. */
  readonly times: readonly number[]
  readonly budget: { steps: number }
}

/**
 * A recurrence rule on the wall. Without a `start` it counts from Thursday, 1 January 1970, 00:00 on the wall.
 * `COUNT` and `UNTIL` are the business of whoever knows the zone.
 * @param start wall time; what the rule leaves open (day, hour, minute, second) is taken from it
 * @throws BelfryError `BELFRY_INVALID_RULE` when it would run on that chance Thursday
 */
export function recurrence(rule: Rrule, start: number | undefined): WallRule {
  if (start === undefined && rule.frequency === 'WEEKLY' && !rule.byDay) {
    throw invalidRule(rule.text, 'on which day? Add BYDAY, or a start')
  }
  const anchor = Math.floor((start ?? 0) / 1_000) * 1_000
  const unit = UNIT_MS[rule.frequency]
  const plan = { rule, anchor, isWanted: dayTest(rule, anchor), times: timesOf(rule, anchor) }
  let steps = 0
  return {
    text: rule.text,
    elapsed: unit !== undefined,
    get steps() {
      return steps
    },
    next(wall) {
      const search = { ...plan, budget: { steps: MOST_STEPS } }
      const after = Math.max(wall, anchor - 1)
      const found = unit === undefined ? nextByDays(search, after) : nextByUnits(search, unit, after)
      steps += MOST_STEPS - search.budget.steps
      return found
    },
  }
}

/** Times within a day, or within the unit of a rule that comes again within the day. */
function timesOf({ frequency, byHour, byMinute, bySecond }: Rrule, anchor: number): readonly number[] {
  const at = new Date(anchor)
  const withinDay = UNIT_MS[frequency] === undefined
  const hours = withinDay ? (byHour ?? [at.getUTCHours()]) : [0]
  const minutes = withinDay || frequency === 'HOURLY' ? (byMinute ?? [at.getUTCMinutes()]) : [0]
  const seconds = frequency === 'SECONDLY' ? [0] : (bySecond ?? [at.getUTCSeconds()])
  return hours.flatMap(hour =>
    minutes.flatMap(minute => seconds.map(second => ((hour * 60 + minute) * 60 + second) * 1_000)),
  )
}

/** YEARLY to DAILY: period by period, the wanted days of each. */
function nextByDays(plan: Plan, after: number): number | undefined {
  let period = periodFrom(plan, after)
  while (period.from < LATEST_WALL && plan.budget.steps > 0) {
    const found = plan.rule.bySetPos ? chosenIn(plan, period, after) : firstIn(plan, period, after)
    if (found !== undefined) return found
    period = periodFrom(plan, period.to)
  }
  return undefined
}

function firstIn({ isWanted, times, budget }: Plan, { from, to }: Period, after: number): number | undefined {
  for (let day = Math.max(from, midnightOf(after)); day < to && budget.steps > 0; day += DAY_MS) {
    budget.steps -= 1
    const time = isWanted(day) ? times.find(each => day + each > after) : undefined
    if (time !== undefined) return day + time
  }
  return undefined
}

/** BYSETPOS: some of the period's times only, counted from its beginning or end. */
function chosenIn({ rule, isWanted, times, budget }: Plan, { from, to }: Period, after: number): number | undefined {
  const days: number[] = []
  for (let day = from; day < to; day += DAY_MS) if (isWanted(day)) days.push(day)
  budget.steps -= (to - from) / DAY_MS
  const count = days.length * times.length
  return chosen(rule.bySetPos ?? [], count)
    .map(index => (days[Math.floor(index / times.length)] ?? 0) + (times[index % times.length] ?? 0))
    .find(time => time > after)
}

/** Indexes of the chosen among `count`, sorted. */
function chosen(positions: readonly number[], count: number): number[] {
  const indexes = positions.map(position => (position > 0 ? position - 1 : count + position))
  return indexes.filter(index => index >= 0 && index < count).toSorted((a, b) => a - b)
}

/** HOURLY to SECONDLY: unit by unit, passing over days, hours and minutes that are not wanted as a whole. */
function nextByUnits(plan: Plan, unit: number, after: number): number | undefined {
  const { rule, anchor, isWanted, times, budget } = plan
  const first = Math.floor(anchor / unit) * unit
  const stride = unit * rule.interval
  const atOrAfter = (wall: number) => first + Math.ceil((wall - first) / stride) * stride
  let at = atOrAfter(Math.max(first, Math.floor(after / unit) * unit))
  while (at < LATEST_WALL && budget.steps > 0) {
    budget.steps -= 1
    const unwanted = unwantedSpan(rule, isWanted, at)
    if (unwanted !== undefined) {
      at = atOrAfter((Math.floor(at / unwanted) + 1) * unwanted)
      continue
    }
    const within = rule.bySetPos ? chosen(rule.bySetPos, times.length).map(index => times[index] ?? 0) : times
    const time = within.find(each => at + each > after)
    if (time !== undefined) return at + time
    at += stride
  }
  return undefined
}

/** The largest unit around a time that the rule does not want; undefined when it wants them all. */
function unwantedSpan(
  { byHour, byMinute, bySecond, frequency }: Rrule,
  isWanted: DayTest,
  at: number,
): number | undefined {
  if (!isWanted(midnightOf(at))) return DAY_MS
  const date = new Date(at)
  if (byHour && !byHour.includes(date.getUTCHours())) return 3_600_000
  if (frequency === 'HOURLY') return undefined
  if (byMinute && !byMinute.includes(date.getUTCMinutes())) return 60_000
  if (frequency === 'SECONDLY' && bySecond && !bySecond.includes(date.getUTCSeconds())) return 1_000
  return undefined
}

function midnightOf(wall: number): number {
  return Math.floor(wall / DAY_MS) * DAY_MS
}

interface Period {
  readonly from: number
  readonly to: number
}

/** The period of the rule that a time lies in or, if that one is left out by the interval, the next that is not. */
function periodFrom({ rule, anchor }: Plan, wall: number): Period {
  const { frequency, interval, weekStart } = rule
  const next = (index: number) => Math.ceil(index / interval) * interval
  const at = new Date(wall)
  const start = new Date(anchor)
  if (frequency === 'YEARLY') {
    const first = start.getUTCFullYear()
    const year = first + next(at.getUTCFullYear() - first)
    return { from: Date.UTC(year, 0, 1), to: Date.UTC(year + 1, 0, 1) }
  }
  if (frequency === 'MONTHLY') {
    const first = start.getUTCFullYear() * 12 + start.getUTCMonth()
    const months = first + next(at.getUTCFullYear() * 12 + at.getUTCMonth() - first)
    const [year, month] = [Math.floor(months / 12), months % 12]
    return { from: Date.UTC(year, month), to: Date.UTC(year, month + 1) }
  }
  const [span, first, here] =
    frequency === 'WEEKLY'
      ? [7 * DAY_MS, weekOf(midnightOf(anchor), weekStart), weekOf(midnightOf(wall), weekStart)]
      : [DAY_MS, midnightOf(anchor), midnightOf(wall)]
  const from = first + next((here - first) / span) * span
  return { from, to: from + span }
}
