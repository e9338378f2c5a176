import type { Queryable } from 'belfry/database'
import type { TurnKind } from '../messaging/message.ts'

/** A message of a person whose answer may never have reached them. */
export interface UnsettledMessage {
  readonly conversationId: string
  readonly messageId: string
  readonly kind: TurnKind
}

/**
 * Takes messages on Discord that have been without a word on their answer for a while, so that no other process takes
 * them: the one that recorded them has died, or could not. What is older than `withinMs` is left.
 */
export async function takeUnsettled(
  database: Queryable,
  request: { olderThanMs: number; withinMs: number; limit: number; now: string | null },
): Promise<UnsettledMessage[]> {
  const taken = await database.query<{ conversation_id: string; message_id: string; kind: TurnKind }>(
    `with moment as materialized (select coalesce($1::text::timestamptz, clock_timestamp()) as now), due as (
       select turn_id, moment.now from conversation_turns, moment
       where author = 'user' and settled_at is null
         and conversation_id like 'discord:%' and message_id not like 'interaction:%'
         and sent_at > moment.now - $3::float8 * interval '1 millisecond'
         and coalesce(taken_at, sent_at) < moment.now - $2::float8 * interval '1 millisecond'
       order by turn_id limit $4::int for update of conversation_turns skip locked
     )
     update conversation_turns turn set taken_at = due.now from due where turn.turn_id = due.turn_id
     returning turn.conversation_id, turn.message_id, turn.kind`,
    [request.now, request.olderThanMs, request.withinMs, request.limit],
  )
  return taken.rows.map(row => ({ conversationId: row.conversation_id, messageId: row.message_id, kind: row.kind }))
}

/** Notes that everything was done that could be to bring an answer to a message. */
export async function settleMessage(
  database: Queryable,
  message: { conversationId: string; messageId: string; now: string | null },
): Promise<void> {
  await database.query(
    `update conversation_turns set settled_at = coalesce($3::text::timestamptz, now())
     where conversation_id = $1::text and message_id = $2::text`,
    [message.conversationId, message.messageId, message.now],
  )
}

/** The stored answer to a message; undefined: there is none. */
export async function answerTo(
  database: Queryable,
  message: { conversationId: string; messageId: string },
): Promise<string | undefined> {
  const found = await database.query<{ text: string }>(
    `select reply.text from conversation_turns asked join conversation_turns reply on reply.answers = asked.turn_id
     where asked.conversation_id = $1::text and asked.message_id = $2::text`,
    [message.conversationId, message.messageId],
  )
  return found.rows[0]?.text
}
