import type { Queryable } from 'belfry/database'
import type { PlatformName } from '../messaging/message.ts'
import { HALF_LIFE_DAYS } from './activity-hours.ts'
import type { Profile } from './profile.ts'

interface ProfileRow {
  user_id: string
  display_name: string
  platform: PlatformName | null
  last_conversation_id: string | null
  private_conversation_id: string | null
  follow_ups_enabled: boolean | null
  follow_up_frequency_hours: number | null
  last_active_ms: number | null
  last_follow_up_ms: number | null
  unanswered_follow_ups: number
  time_zone: string | null
  snoozed_ms: number | null
  suppressed: string | null
  suppressed_until_ms: number | null
  is_bot: boolean
  locale: string | null
  quiet_hours: string | null
  consent_asked_ms: number | null
  activity_weights: number[] | null
  activity_messages: number
  activity_days: number
  activity_hours_off: boolean
  follow_up_place: string | null
}

const COLUMNS = `user_id, display_name, platform, last_conversation_id, private_conversation_id, follow_ups_enabled,
  follow_up_frequency_hours,
  unanswered_follow_ups, time_zone, suppressed, is_bot, locale, quiet_hours, to_jsonb(activity_hours) as activity_weights,
  activity_messages, activity_days, activity_hours_off, follow_up_place,
  (extract(epoch from suppressed_until) * 1000)::float8 as suppressed_until_ms,
  (extract(epoch from consent_asked_at) * 1000)::float8 as consent_asked_ms,
  (extract(epoch from last_active_at) * 1000)::float8 as last_active_ms,
  (extract(epoch from last_follow_up_sent) * 1000)::float8 as last_follow_up_ms,
  (extract(epoch from snoozed_until) * 1000)::float8 as snoozed_ms`

/** Suppressions that hold only until the person writes to the bot themselves. */
const LIFTED_BY_WRITING = "'dm_closed', 'no_mutual_guild', 'unknown_user'"

/** Hours between follow-ups of people who set none: the column's default in the guide. */
const DEFAULT_FREQUENCY_HOURS = 48

export async function findProfile(database: Queryable, userId: string): Promise<Profile | undefined> {
  const found = await database.query<ProfileRow>(`select ${COLUMNS} from user_profiles where user_id = $1::text`, [
    userId,
  ])
  return found.rows[0] && profileOf(found.rows[0])
}

/** The profiles of many people, in no order; whom nobody knows is left out. */
export async function findProfiles(database: Queryable, userIds: readonly string[]): Promise<Profile[]> {
  const found = await database.query<ProfileRow>(
    `select ${COLUMNS} from user_profiles where user_id = any($1::text[])`,
    [userIds],
  )
  return found.rows.map(profileOf)
}

/** People with this display name (any case) or exactly this id; several may share a name. */
export async function findProfilesByName(database: Queryable, name: string): Promise<Profile[]> {
  const found = await database.query<ProfileRow>(
    `select ${COLUMNS} from user_profiles where user_id = $1::text or lower(display_name) = lower($1::text)
     order by last_active_at desc nulls last limit 10`,
    [name],
  )
  return found.rows.map(profileOf)
}

/** What a person did, as far as their profile is concerned. */
export interface Activity {
  readonly userId: string
  readonly displayName: string
  readonly platform: PlatformName
  readonly conversationId: string
  /** Whether nobody but the bot reads along there. */
  readonly isPrivate?: boolean
  readonly locale?: string
  /** Whether the hour is counted: of everybody who has not said off, or only of who said yes. Unset: of nobody. */
  readonly countHours?: 'unless_off' | 'if_granted'
  readonly now: string | null
}

/**
 * Counts the hour of a message, for people who may be followed up and do not mind. Weights grow instead of fading: a
 * message adds 2 to the power of the half-lives since counting began, so that one element changes and none is rewritten
 * with time. The power is capped at 100 (eight years), far below what a `real` holds.
 */
const COUNTED_HOURS = `(activity_hours, activity_hours_at, activity_messages, activity_days, activity_last_day) = (
    select
      case when counts then hours[1:hour - 1] || (hours[hour] + weight)::real || hours[hour + 1:168] else had.activity_hours end,
      case when counts then since else had.activity_hours_at end,
      had.activity_messages + counts::int,
      had.activity_days + (counts and had.activity_last_day is distinct from today)::int,
      case when counts then today else had.activity_last_day end
    from (select user_profiles.*) had, lateral (select
      had.follow_ups_enabled is true and not had.activity_hours_off and not had.is_bot and case $7::text
        when 'unless_off' then true
        when 'if_granted' then coalesce((select kind = 'granted' from consent_events
          where user_id = had.user_id and kind in ('granted', 'revoked') order by event_id desc limit 1), false)
        else false end as counts,
      coalesce(had.activity_hours, array_fill(0::real, array[168])) as hours,
      coalesce(had.activity_hours_at, excluded.last_active_at) as since,
      (excluded.last_active_at at time zone 'UTC')::date as today
    ) facts, lateral (select
      (mod(floor(extract(epoch from excluded.last_active_at) / 3600)::bigint + 72, 168) + 1)::int as hour,
      power(2::float8, least(extract(epoch from excluded.last_active_at - since)::float8 / ${HALF_LIFE_DAYS * 86_400}, 100)) as weight
    ) place
  )`

/**
 * Records that a person did something: their profile is made or brought up to date, and silence begins anew. Any message
 * ends a run of unanswered follow-ups, and what stood in the way only until they wrote first. A person's very first
 * message makes the profile; hours are counted from the second on. True when there was no profile before.
 */
export async function recordActivity(database: Queryable, activity: Activity): Promise<boolean> {
  const recorded = await database.query<{ fresh: boolean }>(
    `insert into user_profiles (user_id, display_name, platform, last_conversation_id, last_active_at, created_at, locale,
       private_conversation_id)
     values ($1::text, $2::text, $3::text, $4::text, coalesce($5::text::timestamptz, now()),
       coalesce($5::text::timestamptz, now()), $6::text, case when $8::boolean then $4::text end)
     on conflict (user_id) do update set display_name = excluded.display_name, platform = excluded.platform,
       last_conversation_id = excluded.last_conversation_id, last_active_at = excluded.last_active_at,
       locale = coalesce(excluded.locale, user_profiles.locale), unanswered_follow_ups = 0,
       private_conversation_id = coalesce(excluded.private_conversation_id, user_profiles.private_conversation_id),
       suppressed = case when user_profiles.suppressed in (${LIFTED_BY_WRITING}) then null else user_profiles.suppressed end,
       ${COUNTED_HOURS}
     returning xmax = 0 as fresh`,
    [
      activity.userId,
      activity.displayName,
      activity.platform,
      activity.conversationId,
      activity.now,
      activity.locale ?? null,
      activity.countHours ?? null,
      activity.isPrivate ?? false,
    ],
  )
  return recorded.rows[0]?.fresh ?? false
}

/** True once per person: the first answer carries the notice about follow-ups. */
export async function takeNotice(database: Queryable, userId: string, now: string | null): Promise<boolean> {
  const taken = await database.query<{ user_id: string }>(
    `update user_profiles set noticed_at = coalesce($2::text::timestamptz, now())
     where user_id = $1::text and noticed_at is null returning user_id`,
    [userId, now],
  )
  return taken.rows.length > 0
}

/** True once per person: they are asked whether they want follow-ups at most once. */
export async function takeConsentQuestion(database: Queryable, userId: string, now: string | null): Promise<boolean> {
  const taken = await database.query<{ user_id: string }>(
    `update user_profiles set consent_asked_at = coalesce($2::text::timestamptz, now())
     where user_id = $1::text and consent_asked_at is null returning user_id`,
    [userId, now],
  )
  return taken.rows.length > 0
}

/** Notes that somebody is a program: another bot, or this one under the id its platform gave it. */
export async function markBot(database: Queryable, bot: { userId: string; displayName: string }): Promise<void> {
  await database.query(
    `insert into user_profiles (user_id, display_name, is_bot) values ($1::text, $2::text, true)
     on conflict (user_id) do update set is_bot = true`,
    [bot.userId, bot.displayName],
  )
}

/**
 * Notes that a follow-up went out: the cooldown begins, and it counts as unanswered until the person speaks. It may have
 * gone out a while ago, when it turns out only now that it did: what they have said since counts.
 */
export async function recordFollowUpSent(database: Queryable, userId: string, now: string | null): Promise<void> {
  await database.query(
    `update user_profiles set last_follow_up_sent = greatest(last_follow_up_sent, coalesce($2::text::timestamptz, now())),
       unanswered_follow_ups = unanswered_follow_ups
         + (last_active_at is null or last_active_at <= coalesce($2::text::timestamptz, now()))::int
     where user_id = $1::text`,
    [userId, now],
  )
}

/**
 * One decision about a person at a time, over all processes, until the transaction ends. Without it two runners could
 * both find the weekly cap not reached.
 */
export async function lockPerson(transaction: Queryable, userId: string): Promise<void> {
  await transaction.query(`select pg_advisory_xact_lock(hashtextextended('belfry:person:' || $1::text, 0))`, [userId])
}

function profileOf(row: ProfileRow): Profile {
  return {
    userId: row.user_id,
    displayName: row.display_name,
    platform: row.platform ?? undefined,
    lastConversationId: row.last_conversation_id ?? undefined,
    privateConversationId: row.private_conversation_id ?? undefined,
    // NULL is no "yes": what cannot be read denies.
    followUpsEnabled: row.follow_ups_enabled ?? false,
    followUpFrequencyHours: row.follow_up_frequency_hours ?? DEFAULT_FREQUENCY_HOURS,
    lastActiveAt: dateOf(row.last_active_ms),
    lastFollowUpSent: dateOf(row.last_follow_up_ms),
    unansweredFollowUps: row.unanswered_follow_ups,
    timeZone: row.time_zone ?? undefined,
    snoozedUntil: dateOf(row.snoozed_ms),
    suppressed: row.suppressed ?? undefined,
    suppressedUntil: dateOf(row.suppressed_until_ms),
    isBot: row.is_bot,
    locale: row.locale ?? undefined,
    quietHours: row.quiet_hours ?? undefined,
    consentAskedAt: dateOf(row.consent_asked_ms),
    activityHours: row.activity_weights
      ? { weights: row.activity_weights, messages: row.activity_messages, days: row.activity_days }
      : undefined,
    activityHoursOff: row.activity_hours_off,
    followUpPlace: row.follow_up_place ?? undefined,
  }
}

function dateOf(ms: number | null): Date | undefined {
  return ms === null ? undefined : new Date(ms)
}
