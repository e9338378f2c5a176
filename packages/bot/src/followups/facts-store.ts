import type { Queryable } from 'belfry/database'
import { latestConsent } from '../users/consent-store.ts'
import { chosenChannel, placeOf } from '../users/follow-up-place.ts'
import { findProfile } from '../users/profile-store.ts'
import type { Profile } from '../users/profile.ts'
import type { SuppressedPeople } from '../users/suppressed-people-store.ts'
import { activeControls, type Control } from './controls-store.ts'
import { countSentWithin, sentWithin, triesInDoubt, type TriesInDoubt } from './follow-up-store.ts'
import type { NewChannelFacts, PersonFacts } from './gate-facts.ts'
import { countOpenings, lockOpenings } from './openings-store.ts'
import { readQuietHours } from './quiet-hours.ts'

const HOUR_MS = 3_600_000
const WEEK_MS = 168 * HOUR_MS

/** What the gates need to know of a person and the world, read in one go. */
export interface ReadFacts {
  readonly now: Date
  readonly person: PersonFacts | 'unreadable'
  readonly profile: Profile | undefined
  readonly controls: readonly Control[]
  readonly sentInLastMinute: number
  readonly newChannel?: NewChannelFacts
}

/** Whoever has facts read, and when it is. */
export interface FactsContext {
  readonly suppressedPeople: SuppressedPeople
  readonly now: string | null
  /**
   * The job that asks, in a transaction: what it has opened itself is not counted, and where it would open a channel nobody
   * else begins to until the transaction ends. Unset: somebody only wants to know.
   */
  readonly jobId?: string
}

/** Reads the facts. Somebody the database does not know is unreadable, and so is not written to. */
export async function readFacts(database: Queryable, userId: string, context: FactsContext): Promise<ReadFacts> {
  const { now, suppressedPeople } = context
  const present = await database.query<{ ms: number }>(
    'select (extract(epoch from coalesce($1::text::timestamptz, clock_timestamp())) * 1000)::float8 as ms',
    [now],
  )
  const profile = await findProfile(database, userId)
  const common = {
    now: new Date(present.rows[0]?.ms ?? Number.NaN),
    profile,
    controls: await activeControls(database, now),
    sentInLastMinute: await countSentWithin(database, { withinMs: 60_000, now }),
  }
  if (!profile) return { ...common, person: 'unreadable' }
  const newChannel = await readNewChannel(database, profile, context)
  const counted = {
    keptNo: await suppressedPeople.reasonFor(database, userId),
    consent: await latestConsent(database, userId),
    messagesInLastTalk: await countLastTalk(database, profile),
    sentThisWeek: await sentWithin(database, { userId, withinMs: WEEK_MS, now }),
    inDoubt: await triesInDoubt(database, { userId, lastActiveAt: profile.lastActiveAt, exceptJob: context.jobId }),
  }
  return { ...common, person: personFactsOf(profile, counted), ...(newChannel && { newChannel }) }
}

/** Terminal and web have no channels that somebody opens. */
async function readNewChannel(
  database: Queryable,
  profile: Profile,
  { jobId, now }: FactsContext,
): Promise<NewChannelFacts | undefined> {
  if (profile.platform !== 'discord') return undefined
  const opensNone = profile.privateConversationId !== undefined || chosenChannel(profile) !== undefined
  if (opensNone) return { needed: false, openedLastHour: 0, openedLastDay: 0 }
  if (jobId !== undefined) await lockOpenings(database)
  return { needed: true, ...(await countOpenings(database, { exceptJob: jobId, now })) }
}

/** What is known of a person beside their profile. */
export interface CountedFacts {
  /** Why they must not be written to though nothing else was left of them. */
  readonly keptNo: string | undefined
  readonly consent: 'granted' | 'revoked' | undefined
  readonly messagesInLastTalk: number
  readonly sentThisWeek: readonly Date[]
  readonly inDoubt: TriesInDoubt
}

/** A person as the gates see them. Quiet hours that nobody can read are not "none". */
export function personFactsOf(profile: Profile, counted: CountedFacts): PersonFacts | 'unreadable' {
  const quietHours = profile.quietHours === undefined ? undefined : readQuietHours(profile.quietHours)
  if (profile.quietHours !== undefined && quietHours === undefined) return 'unreadable'
  const { keptNo, consent, messagesInLastTalk, sentThisWeek, inDoubt } = counted
  // These end by a word of the person alone, so they outrank what ends by itself.
  const forbidden = keptNo ?? (placeOf(profile) === 'nowhere' ? 'channel_lost' : undefined)
  return {
    userId: profile.userId,
    followUpsEnabled: profile.followUpsEnabled,
    consent,
    mustOptIn: profile.platform === 'discord',
    suppressed: forbidden ?? profile.suppressed,
    suppressedUntil: forbidden === undefined ? profile.suppressedUntil : undefined,
    snoozedUntil: profile.snoozedUntil,
    isBot: profile.isBot,
    lastMessageAt: profile.lastActiveAt,
    messagesInLastTalk,
    frequencyMs: profile.followUpFrequencyHours * HOUR_MS,
    unanswered: profile.unansweredFollowUps + inDoubt.unanswered,
    timeZone: profile.timeZone,
    quietHours,
    activityHours: profile.activityHoursOff ? undefined : profile.activityHours,
    sentThisWeek,
    lastSentAt: latest([profile.lastFollowUpSent, inDoubt.lastAt, ...sentThisWeek]),
  }
}

/** Of the profile's own note and the history, whichever is later: one that may have been sent has no note yet. */
function latest(dates: readonly (Date | undefined)[]): Date | undefined {
  const known = dates.filter(date => date !== undefined)
  return known.length === 0 ? undefined : new Date(Math.max(...known.map(date => date.getTime())))
}

/** Messages the person said in the 24 hours up to their last one: the last conversation. */
export async function countLastTalk(database: Queryable, profile: Profile): Promise<number> {
  if (!profile.lastConversationId || !profile.lastActiveAt) return 0
  const counted = await database.query<{ count: number }>(
    `select count(*)::int as count from conversation_turns
     where conversation_id = $1::text and author = 'user' and kind = 'chat' and user_id = $2::text
       and sent_at > $3::text::timestamptz - interval '24 hours'`,
    [profile.lastConversationId, profile.userId, profile.lastActiveAt.toISOString()],
  )
  return counted.rows[0]?.count ?? 0
}
