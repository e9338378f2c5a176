import type { ActivityHours } from '../users/activity-hours.ts'
import type { Control } from './controls-store.ts'
import type { FollowUpPolicy } from './policy.ts'
import type { QuietHours } from './quiet-hours.ts'

/** What the gates look at. A fact that could not be read is not guessed: the whole of `person` is then `unreadable`. */
export interface GateFacts {
  readonly now: Date
  readonly policy: FollowUpPolicy
  readonly person: PersonFacts | 'unreadable'
  readonly job: {
    /** Planned by silence, or asked for by an admin. */
    readonly automatic: boolean
    /** When it was planned or asked for. */
    readonly plannedAt: Date
    /** When it was due when it was planned or last deferred. */
    readonly dueAt: Date
    /** The same job gets the same jitter at every look. */
    readonly seed: string
    /** An owner insists: cooldown and quiet hours do not hold it back. Nothing else is lifted. */
    readonly force?: boolean
  }
  /** What stops everybody's follow-ups. */
  readonly controls: readonly Control[]
  /** Follow-ups sent to anybody in the last minute. */
  readonly sentInLastMinute: number
  /** Of platforms that count whom a bot writes to for the first time; unset: this one does not. */
  readonly newChannel?: NewChannelFacts
}

/** Direct-message channels: opening many of them in a short time is what platforms punish. */
export interface NewChannelFacts {
  /** Whether writing to this person opens one. */
  readonly needed: boolean
  readonly openedLastHour: number
  readonly openedLastDay: number
}

export interface PersonFacts {
  readonly userId: string
  readonly followUpsEnabled: boolean
  /** Their latest word. */
  readonly consent: 'granted' | 'revoked' | undefined
  /** Whether their platform wants an explicit yes. */
  readonly mustOptIn: boolean
  readonly suppressed: string | undefined
  /** When the suppression ends by itself; undefined: not by itself. */
  readonly suppressedUntil: Date | undefined
  readonly snoozedUntil: Date | undefined
  /** A program, be it another bot or this one. */
  readonly isBot: boolean
  readonly lastMessageAt: Date | undefined
  /** Messages they said in the last conversation. */
  readonly messagesInLastTalk: number
  readonly frequencyMs: number
  readonly unanswered: number
  readonly timeZone: string | undefined
  /** Their own; undefined: the operator's. */
  readonly quietHours: QuietHours | undefined
  /** When they are used to writing; undefined: not counted, or not yet. */
  readonly activityHours: ActivityHours | undefined
  /** Follow-ups they were sent in the last 168 hours, newest first. */
  readonly sentThisWeek: readonly Date[]
  readonly lastSentAt: Date | undefined
}

export type GateReason =
  | 'gate_error'
  | 'kill_switch'
  | 'breaker_open'
  | 'opted_out'
  | 'not_opted_in'
  | 'place_changed'
  | 'suppressed'
  | 'snoozed'
  | 'bot_or_self'
  | 'recently_active'
  | 'too_old'
  | 'too_shallow'
  | 'cooldown'
  | 'weekly_cap'
  | 'unanswered'
  | 'quiet_hours'
  | 'holdout'
  | 'pacing'
  | 'expired'

/**
 * Whether every fact is one. A date or number that is none (PostgreSQL's `infinity` reads so) compares as false
 * everywhere, which would let a gate pass; and a caller's missing fact must not pass for a harmless one.
 */
export function areReadable(facts: GateFacts, person: PersonFacts): boolean {
  const { now, job, policy, newChannel, controls } = facts
  const { snoozedUntil, suppressedUntil, lastMessageAt, lastSentAt, sentThisWeek } = person
  if (!Array.isArray(sentThisWeek) || !Array.isArray(controls)) return false
  const ends = controls.map(control => control.until)
  const dates = [now, job.plannedAt, job.dueAt]
  const optionalDates = [snoozedUntil, suppressedUntil, lastMessageAt, lastSentAt, ...ends]
  const numbers = [person.messagesInLastTalk, person.frequencyMs, person.unanswered, facts.sentInLastMinute]
  if (newChannel) numbers.push(newChannel.openedLastHour, newChannel.openedLastDay)
  const limits = Object.values(policy).filter(value => typeof value === 'number')
  const flags = [job.automatic, person.followUpsEnabled, person.mustOptIn, person.isBot]
  return (
    [...dates, ...sentThisWeek].every(isDate) &&
    optionalDates.every(date => date === undefined || isDate(date)) &&
    [...numbers, ...limits].every(number => Number.isFinite(number) && number >= 0) &&
    flags.every(flag => typeof flag === 'boolean') &&
    (person.timeZone === undefined || isTimeZone(person.timeZone))
  )
}

function isDate(date: Date): boolean {
  return date instanceof Date && !Number.isNaN(date.getTime())
}

/** Whether this Node knows the zone; a stored one may have been renamed since. */
export function isTimeZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).format() !== ''
  } catch {
    return false
  }
}
