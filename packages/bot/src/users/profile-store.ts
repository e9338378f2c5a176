import type { Queryable } from 'belfry/database'
import type { PlatformName } from '../messaging/message.ts'
import type { Profile } from './profile.ts'

interface ProfileRow {
  user_id: string
  display_name: string
  platform: PlatformName | null
  last_conversation_id: string | null
  follow_ups_enabled: boolean | null
  follow_up_frequency_hours: number | null
  last_active_ms: number | null
  last_follow_up_ms: number | null
  unanswered_follow_ups: number
  time_zone: string | null
  snoozed_ms: number | null
  suppressed: string | null
}

const COLUMNS = `user_id, display_name, platform, last_conversation_id, follow_ups_enabled, follow_up_frequency_hours,
  unanswered_follow_ups, time_zone, suppressed,
  (extract(epoch from last_active_at) * 1000)::float8 as last_active_ms,
  (extract(epoch from last_follow_up_sent) * 1000)::float8 as last_follow_up_ms,
  (extract(epoch from snoozed_until) * 1000)::float8 as snoozed_ms`

/** Hours between follow-ups of people who set none: the column's default in the guide. */
const DEFAULT_FREQUENCY_HOURS = 48

export async function findProfile(database: Queryable, userId: string): Promise<Profile | undefined> {
  const found = await database.query<ProfileRow>(`select ${COLUMNS} from user_profiles where user_id = $1::text`, [
    userId,
  ])
  return found.rows[0] && profileOf(found.rows[0])
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

/**
 * Records that a person did something: their profile is made or brought up to date, and silence begins anew. Any message
 * ends a run of unanswered follow-ups. True when there was no profile before.
 */
export async function recordActivity(
  database: Queryable,
  activity: { userId: string; displayName: string; platform: PlatformName; conversationId: string; now: string | null },
): Promise<boolean> {
  const recorded = await database.query<{ fresh: boolean }>(
    `insert into user_profiles (user_id, display_name, platform, last_conversation_id, last_active_at, created_at)
     values ($1::text, $2::text, $3::text, $4::text, coalesce($5::text::timestamptz, now()), coalesce($5::text::timestamptz, now()))
     on conflict (user_id) do update set display_name = excluded.display_name, platform = excluded.platform,
       last_conversation_id = excluded.last_conversation_id, last_active_at = excluded.last_active_at,
       unanswered_follow_ups = 0
     returning xmax = 0 as fresh`,
    [activity.userId, activity.displayName, activity.platform, activity.conversationId, activity.now],
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

/** Stores a person's own "yes" or "no", with the wording they said it to. */
export async function setFollowUpsEnabled(
  database: Queryable,
  choice: { userId: string; enabled: boolean; source: 'command' | 'word'; textVersion: number; now: string | null },
): Promise<void> {
  await database.query(
    `with chosen as (
       insert into user_profiles (user_id, follow_ups_enabled) values ($1::text, $2::boolean)
       on conflict (user_id) do update set follow_ups_enabled = excluded.follow_ups_enabled returning user_id
     )
     insert into consent_events (user_id, kind, source, text_version, at)
     select user_id, case when $2::boolean then 'granted' else 'revoked' end, $3::text, $4::int,
       coalesce($5::text::timestamptz, now()) from chosen`,
    [choice.userId, choice.enabled, choice.source, choice.textVersion, choice.now],
  )
}

/** The person's latest word on follow-ups. */
export async function latestConsent(database: Queryable, userId: string): Promise<'granted' | 'revoked' | undefined> {
  const found = await database.query<{ kind: 'granted' | 'revoked' }>(
    `select kind from consent_events where user_id = $1::text and kind in ('granted', 'revoked')
     order by event_id desc limit 1`,
    [userId],
  )
  return found.rows[0]?.kind
}

/** Notes that a follow-up went out: the cooldown begins, and it counts as unanswered until the person speaks. */
export async function recordFollowUpSent(database: Queryable, userId: string, now: string | null): Promise<void> {
  await database.query(
    `update user_profiles set last_follow_up_sent = coalesce($2::text::timestamptz, now()),
       unanswered_follow_ups = unanswered_follow_ups + 1 where user_id = $1::text`,
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
    // NULL is no "yes": what cannot be read denies.
    followUpsEnabled: row.follow_ups_enabled ?? false,
    followUpFrequencyHours: row.follow_up_frequency_hours ?? DEFAULT_FREQUENCY_HOURS,
    lastActiveAt: dateOf(row.last_active_ms),
    lastFollowUpSent: dateOf(row.last_follow_up_ms),
    unansweredFollowUps: row.unanswered_follow_ups,
    timeZone: row.time_zone ?? undefined,
    snoozedUntil: dateOf(row.snoozed_ms),
    suppressed: row.suppressed ?? undefined,
  }
}

function dateOf(ms: number | null): Date | undefined {
  return ms === null ? undefined : new Date(ms)
}
