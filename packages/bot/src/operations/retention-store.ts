import type { Queryable } from 'belfry/database'

/** What grows old, by table and the time that counts. */
const AGING = {
  conversations: { table: 'conversation_turns', key: 'turn_id', time: 'sent_at' },
  followUps: { table: 'follow_up_history', key: 'id', time: 'coalesce(sent_at, prepared_at)' },
  decisions: { table: 'follow_up_decisions', key: 'decision_id', time: 'decided_at' },
} as const

export type Aging = keyof typeof AGING

/** Deletes at most `limit` rows older than `keepMs`; answers how many. */
export async function deleteOlder(
  database: Queryable,
  what: Aging,
  request: { keepMs: number; limit: number; now: string | null },
): Promise<number> {
  const { table, key, time } = AGING[what]
  const deleted = await database.query<{ count: number }>(
    `with gone as (
       delete from ${table} where ${key} = any (array(
         select ${key} from ${table}
         where ${time} < coalesce($3::text::timestamptz, now()) - $1::float8 * interval '1 millisecond'
         order by ${key} limit $2::int))
       returning 1
     ) select count(*)::int as count from gone`,
    [request.keepMs, request.limit, request.now],
  )
  return deleted.rows[0]?.count ?? 0
}
