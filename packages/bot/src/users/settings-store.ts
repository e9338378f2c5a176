import type { Queryable } from 'belfry/database'
import { NOWHERE } from './follow-up-place.ts'

/** A change of a person's own settings; what is absent stays, `null` is the default again. */
export interface SettingsChange {
  readonly followUpsEnabled?: boolean
  readonly timeZone?: string | null
  /** `22:00-08:00` or `off`. */
  readonly quietHours?: string | null
  readonly frequencyHours?: number | null
  readonly snoozedUntil?: Date | null
  readonly activityHoursOff?: boolean
  /** The conversation id of a channel; `null`: direct messages. */
  readonly followUpPlace?: string | null
}

/** One clause per setting; its value is `$2`. Names never come from outside. */
const CLAUSES: Readonly<Record<keyof SettingsChange, string>> = {
  followUpsEnabled: 'follow_ups_enabled = $2::text::boolean',
  timeZone: 'time_zone = $2::text',
  quietHours: 'quiet_hours = $2::text',
  frequencyHours: 'follow_up_frequency_hours = coalesce($2::text::integer, 48)',
  snoozedUntil: 'snoozed_until = $2::text::timestamptz',
  activityHoursOff: 'activity_hours_off = $2::text::boolean',
  followUpPlace: 'follow_up_place = $2::text',
}

/** Stores a person's settings; somebody new gets a profile. */
export async function changeSettings(database: Queryable, userId: string, change: SettingsChange): Promise<void> {
  await database.query('insert into user_profiles (user_id) values ($1::text) on conflict (user_id) do nothing', [
    userId,
  ])
  for (const [name, clause] of Object.entries(CLAUSES)) {
    const value = change[name as keyof SettingsChange]
    if (value === undefined) continue
    const text = value instanceof Date ? value.toISOString() : value === null ? null : String(value)
    await database.query(`update user_profiles set ${clause} where user_id = $1::text`, [userId, text])
  }
}

/** The present by the database's clock: what a time that is stored counts from, since every process compares with it. */
export async function presentOf(database: Queryable, now: string | null): Promise<Date> {
  const present = await database.query<{ ms: number }>(
    'select (extract(epoch from coalesce($1::text::timestamptz, now())) * 1000)::float8 as ms',
    [now],
  )
  return new Date(present.rows[0]?.ms ?? Number.NaN)
}

/** The channel a person chose cannot be written to any more. False when they want another place by now. */
export async function losePlace(
  database: Queryable,
  lost: { userId: string; conversationId: string },
): Promise<boolean> {
  const changed = await database.query<{ user_id: string }>(
    `update user_profiles set follow_up_place = '${NOWHERE}'
     where user_id = $1::text and follow_up_place = $2::text returning user_id`,
    [lost.userId, lost.conversationId],
  )
  return changed.rows.length > 0
}

/** Erases when a person is used to writing. */
export async function forgetActivityHours(database: Queryable, userId: string): Promise<void> {
  await database.query(
    `update user_profiles set activity_hours = null, activity_hours_at = null, activity_messages = 0, activity_days = 0,
       activity_last_day = null where user_id = $1::text`,
    [userId],
  )
}

/** Lifts the suppressions that a person's own "yes" ends: they are back after their data was erased, or reachable again. */
export async function liftByYes(database: Queryable, userId: string): Promise<void> {
  await database.query(
    `update user_profiles set suppressed = null, suppressed_until = null
     where user_id = $1::text and suppressed in ('erased', 'dm_closed', 'no_mutual_guild')`,
    [userId],
  )
}
