import type { Clock } from 'belfry'
import type { Database } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import { isDormant } from '../followups/dormancy.ts'
import { readFacts, type ReadFacts } from '../followups/facts-store.ts'
import { pendingFollowUps, type PendingFollowUp } from '../followups/follow-up-store.ts'
import { mustGrant, type FollowUpPolicy } from '../followups/policy.ts'
import { sayQuietHours } from '../followups/quiet-hours.ts'
import { sentFollowUps, type SentFollowUp } from '../followups/receipt-store.ts'
import type { InboundMessage } from '../messaging/message.ts'
import { saySpan } from '../messaging/say-time.ts'
import { voiceOf, type SayInstant, type Voice } from '../messaging/voice.ts'
import { consentHistory, type ConsentEvent } from '../users/consent-store.ts'
import { chosenChannel, placeOf } from '../users/follow-up-place.ts'
import type { Profile } from '../users/profile.ts'
import type { SuppressedPeople } from '../users/suppressed-people-store.ts'
import type { Card, CardField } from './card.ts'
import type { CommandAnswer } from './command.ts'
import { PAGE, pageButtons } from './pages.ts'

/** Whose settings are shown, and against which rules. */
export interface StatusParts {
  readonly database: Database
  readonly clock: Clock
  readonly policy: FollowUpPolicy
  readonly suppressedPeople: SuppressedPeople
}

const HOUR_MS = 3_600_000
const HISTORY = 'followup_settings history'

/** Whose settings they are, and where they are shown. */
type Asker = Pick<InboundMessage, 'userId' | 'platform'>

/** Everything that decides about one's own follow-ups. */
export async function describeSettings(parts: StatusParts, { userId, platform }: Asker): Promise<Card> {
  const { database, clock, policy, suppressedPeople } = parts
  const now = databaseNow(clock)
  const facts = await readFacts(database, userId, { now, suppressedPeople })
  const [next] = await pendingFollowUps(database, userId, now)
  const voice = voiceOf(platform, facts.now)
  const { when } = voice
  const whether = sayWhether(facts, policy)
  return {
    title: `Follow-up Settings: ${whether}`,
    standing: whether === 'on' ? 'good' : 'warning',
    lines: [
      whatTheyAre(policy),
      ...(facts.controls.length > 0 ? ['Follow-ups are paused for everybody at the moment.'] : []),
    ],
    fields: [
      ...(facts.profile ? choicesOf(facts.profile, policy) : []),
      ...(facts.profile && platform === 'discord' ? [{ name: 'Place', value: sayPlace(facts.profile, voice) }] : []),
      ...stateOf(facts, { policy, when }),
      { name: 'Next', value: sayNext(next, when) },
      ...(facts.profile?.lastFollowUpSent ? [{ name: 'Last', value: `${when(facts.profile.lastFollowUpSent)}.` }] : []),
    ],
  }
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

function choicesOf(profile: Profile, policy: FollowUpPolicy): CardField[] {
  const zone = profile.timeZone ?? policy.timeZone
  const whose = profile.timeZone ? 'yours' : "the operator's"
  const hours = profile.activityHoursOff
    ? 'not counted, as you wish'
    : profile.activityHours
      ? `counted over ${profile.activityHours.messages} messages`
      : 'none counted yet'
  return [
    {
      name: 'Time zone',
      value: `${zone ? `${zone} (${whose})` : 'not known; I keep to the hours at which you write'}.`,
    },
    {
      name: 'Quiet hours',
      value: `${profile.quietHours ?? `${sayQuietHours(policy.quietHours)} (the operator's)`}.`,
    },
    {
      name: 'Frequency',
      value: `at most once in ${saySpan(Math.max(profile.followUpFrequencyHours * HOUR_MS, policy.minBetweenMs))}.`,
    },
    { name: 'Your hours', value: `${hours}.` },
  ]
}

function sayPlace(profile: Profile, { channel }: Voice): string {
  const chosen = chosenChannel(profile)
  if (chosen !== undefined) return `${channel(chosen)}, for all there to read.`
  return placeOf(profile) === 'nowhere'
    ? 'none: I cannot write to you any more in the channel you chose, so I write nowhere. `place here` in another or `place dm` chooses anew.'
    : 'direct messages.'
}

function stateOf(
  { person, now }: ReadFacts,
  { policy, when }: { policy: FollowUpPolicy; when: SayInstant },
): CardField[] {
  if (person === 'unreadable') return []
  const { snoozedUntil, unanswered, suppressed } = person
  const snoozed = snoozedUntil && snoozedUntil > now
  const dormant = isDormant(person, policy) ? '; I keep silent until you write' : ''
  return [
    { name: 'Snoozed', value: `${snoozed ? `until ${when(snoozedUntil)}` : 'no'}.` },
    { name: 'Unanswered', value: `${unanswered} of ${policy.maxUnanswered}${dormant}.` },
    ...(suppressed === undefined ? [] : [{ name: 'Held back', value: `${suppressed}.` }]),
  ]
}

function sayNext(next: PendingFollowUp | undefined, when: SayInstant): string {
  return next ? `${when(next.scheduledTime)} at the earliest; it moves on when you speak.` : 'none planned.'
}

/** A page of what somebody has said about follow-ups, and of what they were sent: their own alone. */
export async function describeHistory(
  { database, clock, prefix }: StatusParts & { prefix: string },
  { userId, platform }: Asker,
  page: number,
): Promise<string | CommandAnswer> {
  const { when } = voiceOf(platform, clock.now())
  const limit = page * PAGE + 1
  const consent = pageOf(await consentHistory(database, { userId, limit }), page)
  const sent = pageOf(await sentFollowUps(database, { userId, limit }), page)
  const more = consent.more || sent.more
  if (page > 1 && consent.shown.length + sent.shown.length === 0) return `No page ${page}.`
  const none = page === 1 ? { said: ': nothing yet.', sent: ': none.' } : { said: ': no more.', sent: ': no more.' }
  const lines = [
    `What you said about follow-ups${consent.shown.length === 0 ? none.said : ', newest first:'}`,
    ...consent.shown.map(event => `- ${sayEvent(event, when)}`),
    `Follow-ups you were sent${sent.shown.length === 0 ? none.sent : ', newest first:'}`,
    ...sent.shown.map(each => `- ${saySent(each, when)}`),
  ]
  return {
    text: [...lines, ...(more ? [`More: \`${prefix}${HISTORY} ${page + 1}\`.`] : [])].join('\n'),
    card: { title: `Your follow-ups, page ${page}`, lines },
    buttons: pageButtons({ says: HISTORY, page, more }),
  }
}

function pageOf<Entry>(newest: readonly Entry[], page: number): { shown: Entry[]; more: boolean } {
  return { shown: newest.slice((page - 1) * PAGE, page * PAGE), more: newest.length > page * PAGE }
}

function saySent({ id, sentAt, automatic, answered }: SentFollowUp, when: SayInstant): string {
  const why = automatic ? 'after your silence' : 'asked for by an administrator'
  return `${when(sentAt)}: no. ${id}, ${why}, ${answered ? 'answered' : 'not answered'}`
}

const SAID = { granted: 'yes', revoked: 'no', snoozed: 'not now' } as const

function sayEvent({ kind, source, textVersion, until, at }: ConsentEvent, when: SayInstant): string {
  const pause = until ? `, until ${when(until)}` : ''
  return `${when(at)}: ${SAID[kind]}${pause} (${source}, wording ${textVersion})`
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
