import type { Queryable } from 'belfry/database'

/** Notes which conversation is a person's own with the bot: writing to them there opens none. */
export async function notePrivateConversation(
  database: Queryable,
  { userId, conversationId }: { userId: string; conversationId: string },
): Promise<void> {
  await database.query('update user_profiles set private_conversation_id = $2::text where user_id = $1::text', [
    userId,
    conversationId,
  ])
}

/**
 * Notes up to where a person has been heard there: what is answered without being kept is not taken for news again. For
 * platforms whose message ids are numbers that grow with time.
 */
export async function noteHeard(
  database: Queryable,
  heard: { userId: string; conversationId: string; messageId: string },
): Promise<void> {
  await database.query(
    `update user_profiles set private_conversation_id = $2::text,
       private_heard_to = greatest(private_heard_to, $3::text::bigint)
     where user_id = $1::text`,
    [heard.userId, heard.conversationId, heard.messageId],
  )
}

/** The last message a person was heard with in their own conversation; undefined: none yet. */
export async function heardTo(database: Queryable, userId: string): Promise<string | undefined> {
  const found = await database.query<{ heard_to: string | null }>(
    'select private_heard_to::text as heard_to from user_profiles where user_id = $1::text',
    [userId],
  )
  return found.rows[0]?.heard_to ?? undefined
}

/** People's own conversations on a platform in which they were heard, for those who spoke within a span, latest first. */
export async function recentPrivateConversations(
  database: Queryable,
  request: { prefix: string; withinMs: number; limit: number; now: string | null },
): Promise<{ userId: string; conversationId: string }[]> {
  const found = await database.query<{ user_id: string; conversation_id: string }>(
    `select user_id, private_conversation_id as conversation_id from user_profiles
     where starts_with(private_conversation_id, $1::text) and private_heard_to is not null
       and last_active_at > coalesce($3::text::timestamptz, now()) - $2::float8 * interval '1 millisecond'
     order by last_active_at desc limit $4::int`,
    [request.prefix, request.withinMs, request.now, request.limit],
  )
  return found.rows.map(row => ({ userId: row.user_id, conversationId: row.conversation_id }))
}
