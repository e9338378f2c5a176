import type { Clock } from 'belfry'
import type { Database } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import { isDormant } from '../followups/dormancy.ts'
import { readFacts, type ReadFacts } from '../followups/facts-store.ts'
import { pendingFollowUps, type PendingFollowUp } from '../followups/follow-up-store.ts'
import { mustGrant, type FollowUpPolicy } from '../followups/policy.ts'
import { sayQuietHours } from '../followups/quiet-hours.ts'
import { sentFollowUps } from '../followups/receipt-store.ts'
import { saySpan, sayWhen } from '../messaging/say-time.ts'
import { consentHistory, type ConsentEvent } from '../users/consent-store.ts'
import type { Profile } from '../users/profile.ts'
import type { SuppressedPeople } from '../users/suppressed-people-store.ts'

/** Whose settings are shown, and against which rules. */
export interface StatusParts {
  readonly database: Database
  readonly clock: Clock
  readonly policy: FollowUpPolicy
  readonly suppressedPeople: SuppressedPeople
}

const HOUR_MS = 3_600_000
const ENTRIES_SHOWN = 10

/** Everything that decides about one's own follow-ups. */
export async function describeSettings(parts: StatusParts, userId: string): Promise<string> {
  const { database, clock, policy, suppressedPeople } = parts
  const now = databaseNow(clock)
  const facts = await readFacts(database, userId, { now, suppressedPeople })
  const [next] = await pendingFollowUps(database, userId, now)
  return [
    `Follow-up Settings: ${sayWhether(facts, policy)}`,
    whatTheyAre(policy),
    ...(facts.profile ? sayChoices(facts.profile, policy) : []),
    ...sayState(facts, policy),
    sayNext(next, facts.now),
    ...(facts.profile?.lastFollowUpSent ? [`Last: ${sayWhen(facts.profile.lastFollowUpSent, facts.now)}.`] : []),
  ].join('\n')
}

/** What follow-ups are, here. */
export function whatTheyAre(policy: FollowUpPolicy): string {
  const cap = `at most ${policy.maxPerWeek} in any week`
  return policy.enabled
    ? `After ${saySpan(policy.delayMs)} of silence I may write once about what we last talked about, ${cap}.`
    : 'The operator has turned follow-ups off for everybody.'
}

function sayWhether({ person, profile }: ReadFacts, policy: FollowUpPolicy): string {
  // Somebody new: silence means yes here, or it does not.
  if (!profile) return mustGrant(policy, false) ? 'off (you have not said yes)' : 'on'
  if (!profile.followUpsEnabled) return 'off'
  if (person === 'unreadable') return 'off (your quiet hours cannot be read; set them anew)'
  if (person.consent === 'revoked') return 'off'
  const isMissing = mustGrant(policy, person.mustOptIn) && person.consent !== 'granted'
  return isMissing ? 'off (you have not said yes)' : 'on'
}

function sayChoices(profile: Profile, policy: FollowUpPolicy): string[] {
  const zone = profile.timeZone ?? policy.timeZone
  const whose = profile.timeZone ? 'yours' : "the operator's"
  const hours = profile.activityHoursOff
    ? 'not counted, as you wish'
    : profile.activityHours
      ? `counted over ${profile.activityHours.messages} messages`
      : 'none counted yet'
  return [
    `Time zone: ${zone ? `${zone} (${whose})` : 'not known; I keep to the hours at which you write'}.`,
    `Quiet hours: ${profile.quietHours ?? `${sayQuietHours(policy.quietHours)} (the operator's)`}.`,
    `Frequency: at most once in ${saySpan(Math.max(profile.followUpFrequencyHours * HOUR_MS, policy.minBetweenMs))}.`,
    `Your hours: ${hours}.`,
  ]
}

function sayState({ person, now, controls }: ReadFacts, policy: FollowUpPolicy): string[] {
  const paused = controls.length > 0 ? ['Follow-ups are paused for everybody at the moment.'] : []
  if (person === 'unreadable') return paused
  const { snoozedUntil, unanswered, suppressed } = person
  const snoozed = snoozedUntil && snoozedUntil > now
  return [
    `Snoozed: ${snoozed ? `until ${sayWhen(snoozedUntil, now)}` : 'no'}.`,
    `Unanswered: ${unanswered} of ${policy.maxUnanswered}${isDormant(person, policy) ? '; I keep silent until you write' : ''}.`,
    ...(suppressed === undefined ? [] : [`Held back: ${suppressed}.`]),
    ...paused,
  ]
}

function sayNext(next: PendingFollowUp | undefined, now: Date): string {
  return next
    ? `Next: ${sayWhen(next.scheduledTime, now)} at the earliest; it moves on when you speak.`
    : 'Next: none planned.'
}

/** What somebody has said about follow-ups, and what they were sent: their own alone. */
export async function describeHistory({ database, clock }: StatusParts, userId: string): Promise<string> {
  const now = clock.now()
  const consent = await consentHistory(database, { userId, limit: ENTRIES_SHOWN })
  const sent = await sentFollowUps(database, { userId, limit: ENTRIES_SHOWN })
  return [
    `What you said about follow-ups${consent.length === 0 ? ': nothing yet.' : ', newest first:'}`,
    ...consent.map(event => `- ${sayEvent(event, now)}`),
    `Follow-ups you were sent${sent.length === 0 ? ': none.' : ', newest first:'}`,
    ...sent.map(
      ({ id, sentAt, automatic, answered }) =>
        `- ${sayWhen(sentAt, now)}: no. ${id}, ${automatic ? 'after your silence' : 'asked for by an administrator'}, ${answered ? 'answered' : 'not answered'}`,
    ),
  ].join('\n')
}

const SAID = { granted: 'yes', revoked: 'no', snoozed: 'not now' } as const

function sayEvent({ kind, source, textVersion, until, at }: ConsentEvent, now: Date): string {
  const pause = until ? `, until ${sayWhen(until, now)}` : ''
  return `${sayWhen(at, now)}: ${SAID[kind]}${pause} (${source}, wording ${textVersion})`
}

const HOURS_SHOWN = 6

/** When somebody is used to writing, by hour of the day in their zone, the busiest first. */
export function describeHours(profile: Profile | undefined): string {
  if (profile?.activityHoursOff) return 'I do not count your hours, as you wish.'
  const hours = profile?.activityHours
  const total = hours?.weights.reduce((sum, weight) => sum + weight, 0) ?? 0
  if (!profile || !hours || total === 0) return 'I have counted none of your hours yet.'
  const zone = profile.timeZone ?? 'UTC'
  const shown = new Intl.DateTimeFormat('en-GB', { timeZone: zone, hour: '2-digit', hourCycle: 'h23' })
  const byHour = new Map<string, number>()
  for (const [index, weight] of hours.weights.entries()) {
    // The first Monday of 2024 began at this instant; any week would do, hours of the day are all that is shown.
    const hour = shown.format(new Date(Date.UTC(2024, 0, 1) + index * HOUR_MS))
    byHour.set(hour, (byHour.get(hour) ?? 0) + weight)
  }
  const busiest = [...byHour]
    .filter(([, weight]) => weight > 0)
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, HOURS_SHOWN)
    .map(([hour, weight]) => `${hour}:00 (${Math.round((100 * weight) / total)} %)`)
  return (
    `Counted over ${hours.messages} messages on ${hours.days} days, newer ones weighing more; hours alone are kept.\n` +
    `Your busiest hours, ${zone}: ${busiest.join(', ')}.`
  )
}
