import type { Queryable } from 'belfry/database'
import { findProfile, latestConsent } from '../users/profile-store.ts'
import type { Profile } from '../users/profile.ts'
import { countSentWithin, lastTriedAt, sentWithin } from './follow-up-store.ts'
import type { PersonFacts } from './gates.ts'

const HOUR_MS = 3_600_000
const WEEK_MS = 168 * HOUR_MS

/** What the gates need to know of a person and the world, read in one go. */
export interface ReadFacts {
  readonly now: Date
  readonly person: PersonFacts | 'unreadable'
  readonly profile: Profile | undefined
  readonly sentInLastMinute: number
}

/** Reads the facts. Somebody the database does not know is unreadable, and so is not written to. */
export async function readFacts(database: Queryable, userId: string, now: string | null): Promise<ReadFacts> {
  const present = await database.query<{ ms: number }>(
    'select (extract(epoch from coalesce($1::text::timestamptz, clock_timestamp())) * 1000)::float8 as ms',
    [now],
  )
  const profile = await findProfile(database, userId)
  const sentInLastMinute = await countSentWithin(database, { withinMs: 60_000, now })
  const common = { now: new Date(present.rows[0]?.ms ?? 0), profile, sentInLastMinute }
  if (!profile) return { ...common, person: 'unreadable' }
  const counted = {
    consent: await latestConsent(database, userId),
    messagesInLastTalk: await countLastTalk(database, profile),
    sentThisWeek: await sentWithin(database, { userId, withinMs: WEEK_MS, now }),
    lastTriedAt: await lastTriedAt(database, userId),
  }
  return { ...common, person: personFactsOf(profile, counted) }
}

/** What is known of a person beside their profile. */
export interface CountedFacts {
  readonly consent: 'granted' | 'revoked' | undefined
  readonly messagesInLastTalk: number
  readonly sentThisWeek: readonly Date[]
  /** When they were last sent a follow-up of which nobody knows whether it went out. */
  readonly lastTriedAt: Date | undefined
}

/** A person as the gates see them. */
export function personFactsOf(profile: Profile, counted: CountedFacts): PersonFacts {
  return {
    userId: profile.userId,
    followUpsEnabled: profile.followUpsEnabled,
    consent: counted.consent,
    mustOptIn: profile.platform === 'discord',
    suppressed: profile.suppressed,
    snoozedUntil: profile.snoozedUntil,
    lastMessageAt: profile.lastActiveAt,
    messagesInLastTalk: counted.messagesInLastTalk,
    frequencyMs: profile.followUpFrequencyHours * HOUR_MS,
    unanswered: profile.unansweredFollowUps,
    timeZone: profile.timeZone,
    sentThisWeek: counted.sentThisWeek,
    lastSentAt: latest(profile.lastFollowUpSent, counted.lastTriedAt),
  }
}

/** A follow-up that may have gone out begins the cooldown as one that did. */
function latest(sent: Date | undefined, tried: Date | undefined): Date | undefined {
  return sent && tried ? new Date(Math.max(sent.getTime(), tried.getTime())) : (sent ?? tried)
}

/** Messages the person said in the 24 hours up to their last one: the last conversation. */
async function countLastTalk(database: Queryable, profile: Profile): Promise<number> {
  if (!profile.lastConversationId || !profile.lastActiveAt) return 0
  const counted = await database.query<{ count: number }>(
    `select count(*)::int as count from conversation_turns
     where conversation_id = $1::text and author = 'user' and kind = 'chat' and user_id = $2::text
       and sent_at > $3::text::timestamptz - interval '24 hours'`,
    [profile.lastConversationId, profile.userId, profile.lastActiveAt.toISOString()],
  )
  return counted.rows[0]?.count ?? 0
}
