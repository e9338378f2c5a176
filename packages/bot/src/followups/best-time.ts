import { hourOfWeek, type ActivityHours } from '../users/activity-hours.ts'
import type { PersonFacts } from './gate-facts.ts'
import { isTrial, type FollowUpPolicy } from './policy.ts'
import { awakeAgainAt, awakeMs, isQuietMinute, quietUntil, wallClock, type QuietHours } from './quiet-hours.ts'
import { shareOf } from './variants.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const LONGEST_JITTER_MS = 30 * 60_000
/** With less than this an hour is as likely chance as habit. */
const LEAST_MESSAGES = 20
const LEAST_DAYS = 5
/** Share of all messages within an hour either way that makes an hour of the day a waking one; even spread has 1/8. */
const WAKING_SHARE = 1 / 12

/** Of whom, and by what rules. */
interface TimeFacts {
  readonly person: Pick<PersonFacts, 'quietHours' | 'timeZone' | 'activityHours' | 'lastMessageAt'>
  readonly policy: FollowUpPolicy
}

/** When somebody may be written to. */
interface WakingHours {
  isAwake(instant: Date): boolean
  /** The next such instant after one that is none; the same seed gets the same jitter. */
  next(instant: Date, seed: string): Date
}

/**
 * When somebody who must not be written to at an instant may be: undefined when it is fine now, `unknown` when there is
 * neither a zone nor an hour at which they were awake.
 */
export function nextAwake(facts: TimeFacts, instant: Date, seed: string): Date | undefined | 'unknown' {
  const waking = wakingHoursOf(facts)
  if (waking === 'always') return undefined
  if (waking === 'unknown') return waking
  return waking.isAwake(instant) ? undefined : waking.next(instant, seed)
}

/**
 * The best instant for a follow-up within a day from `earliest`: the hour of the week at which the person writes most,
 * outside their quiet hours. Somebody too little is known of is written to at the time of day of their last message.
 * Steps are whole hours, so that people whose delays end at different minutes stay spread.
 */
export function placeInTime(facts: TimeFacts, earliest: Date): Date {
  const { person, policy } = facts
  if (isTrial(policy)) return earliest
  const waking = wakingHoursOf(facts)
  if (waking === 'unknown') return earliest
  const hours = usable(person.activityHours)
  if (waking === 'always' && !hours) return earliest
  const isAwake = (instant: Date) => waking === 'always' || waking.isAwake(instant)
  const candidates = Array.from({ length: 25 }, (_, hour) => new Date(earliest.getTime() + hour * HOUR_MS))
  const allowed = candidates.filter(isAwake)
  const [first] = allowed
  if (!first) return waking === 'always' ? earliest : waking.next(earliest, '')
  if (hours) return bestOf(allowed, hours, first)
  return hasZone(facts) ? first : sameTimeOfDay(earliest, person.lastMessageAt)
}

function hasZone({ person, policy }: TimeFacts): boolean {
  return (person.timeZone ?? policy.timeZone) !== undefined
}

/** A zone beats habits; habits beat the last message. */
function wakingHoursOf(facts: TimeFacts): WakingHours | 'always' | 'unknown' {
  const { person, policy } = facts
  const quiet = person.quietHours ?? policy.quietHours
  if (quiet === 'off') return 'always'
  const zone = person.timeZone ?? policy.timeZone
  if (zone !== undefined) return wakingByZone(quiet, zone)
  const hours = usable(person.activityHours)
  if (hours) return wakingByHabit(hours)
  return person.lastMessageAt ? wakingByLastMessage(person.lastMessageAt) : 'unknown'
}

function wakingByZone(quiet: Exclude<QuietHours, 'off'>, zone: string): WakingHours {
  const minuteOfDay = wallClock(zone)
  // Well inside the waking hours, however few they are: a jitter beyond them would meet the next quiet hours for ever.
  const longestJitterMs = Math.min(LONGEST_JITTER_MS, awakeMs(quiet) / 2)
  const isAwake = (instant: Date) => !isQuietMinute(minuteOfDay(instant), quiet)
  return {
    isAwake,
    next(instant, seed) {
      const end = quietUntil(instant, quiet, zone) ?? instant
      const spread = new Date(end.getTime() + shareOf(seed) * longestJitterMs)
      // On the day the clocks change the waking hours may be shorter than the jitter.
      return isAwake(spread) ? spread : end
    },
  }
}

function wakingByHabit({ weights }: ActivityHours): WakingHours {
  const ofDay = Array.from({ length: 24 }, (_, hour) => sum(weights.filter((_weight, index) => index % 24 === hour)))
  const around = (hour: number) => sum([-1, 0, 1].map(step => ofDay[(hour + step + 24) % 24] ?? 0))
  const isAwake = (instant: Date) => around(instant.getUTCHours()) >= sum(ofDay) * WAKING_SHARE
  return {
    isAwake,
    next(instant, seed) {
      const fullHour = Math.floor(instant.getTime() / HOUR_MS) * HOUR_MS
      const starts = Array.from({ length: 24 }, (_, hour) => new Date(fullHour + (hour + 1) * HOUR_MS))
      const start = starts.find(isAwake) ?? instant
      return new Date(start.getTime() + shareOf(seed) * LONGEST_JITTER_MS)
    },
  }
}

function wakingByLastMessage(lastMessageAt: Date): WakingHours {
  return {
    isAwake: instant => awakeAgainAt(instant, lastMessageAt) === undefined,
    next: instant => awakeAgainAt(instant, lastMessageAt) ?? instant,
  }
}

/** The first instant from `earliest` on at the time of day of another. */
function sameTimeOfDay(earliest: Date, other: Date | undefined): Date {
  if (!other) return earliest
  const days = Math.ceil((earliest.getTime() - other.getTime()) / DAY_MS)
  return new Date(other.getTime() + days * DAY_MS)
}

function bestOf(instants: readonly Date[], hours: ActivityHours, first: Date): Date {
  let best = { instant: first, score: score(first, hours) }
  for (const instant of instants) {
    const candidate = score(instant, hours)
    if (candidate > best.score) best = { instant, score: candidate }
  }
  return best.instant
}

/** How much somebody writes at this hour of the week, a little of the hours beside it, and of this hour on other days. */
function score(instant: Date, { weights }: ActivityHours): number {
  const index = hourOfWeek(instant)
  const at = (offset: number) => weights[(index + offset + 168) % 168] ?? 0
  const otherDays = Array.from({ length: 7 }, (_, day) => at(day * 24))
  return at(0) + (at(-1) + at(1)) / 2 + sum(otherDays) / 7
}

/** The counted hours, if they are enough to tell habit from chance. */
function usable(hours: ActivityHours | undefined): ActivityHours | undefined {
  if (!hours || hours.weights.length !== 168) return undefined
  const readable = hours.weights.every(weight => Number.isFinite(weight) && weight >= 0) && sum(hours.weights) > 0
  return readable && hours.messages >= LEAST_MESSAGES && hours.days >= LEAST_DAYS ? hours : undefined
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
