import type { Queryable } from 'belfry/database'

/** Automatic follow-ups are withheld for so long after somebody said that they may be in danger, in days. */
export const DISTRESS_DAYS = 30

/**
 * Withholds follow-ups from somebody in distress, from now on for 30 days. A suppression for another reason that has no
 * end stays what it is. Answers whether it begins now: within its time it is only prolonged.
 */
export async function suppressForDistress(database: Queryable, userId: string, now: string | null): Promise<boolean> {
  const suppressed = await database.query<{ begins: boolean }>(
    `update user_profiles profile set suppressed = 'distress',
       suppressed_until = coalesce($2::text::timestamptz, now()) + $3::int * interval '1 day'
     from (select user_id, suppressed, suppressed_until from user_profiles where user_id = $1::text for update) before
     where profile.user_id = before.user_id
       and (before.suppressed is null or before.suppressed = 'distress'
         or before.suppressed_until <= coalesce($2::text::timestamptz, now()))
     returning before.suppressed is distinct from 'distress'
       or coalesce(before.suppressed_until <= coalesce($2::text::timestamptz, now()), false) as begins`,
    [userId, now, DISTRESS_DAYS],
  )
  return suppressed.rows[0]?.begins ?? false
}
