import type { Queryable } from 'belfry/database'
import type { Author, Turn, TurnKind } from '../messaging/message.ts'

interface TurnRow {
  turn_id: number
  conversation_id: string
  user_id: string
  author: Author
  kind: TurnKind
  text: string
  sent_ms: number
  follow_up_id: number | null
}

const COLUMNS = `turn_id::float8 as turn_id, conversation_id, user_id, author, kind, text,
  (extract(epoch from sent_at) * 1000)::float8 as sent_ms, follow_up_id::float8 as follow_up_id`

/** NOTIFY channel on which readers of conversations hear that there is something new. */
export const TURNS_CHANNEL = 'belfry_turns'

export interface NewTurn {
  readonly conversationId: string
  readonly userId: string
  readonly author: Author
  readonly kind: TurnKind
  readonly text: string
  /** The platform's own id of an inbound message; recorded once however often it is handed in. */
  readonly messageId?: string
  /** The turn this one answers; a turn is answered once. */
  readonly answers?: number
  /** Of a follow-up: its row in `follow_up_history`. */
  readonly followUpId?: number
  readonly now: string | null
}

/**
 * Stores a turn and hints to readers. Undefined when it is there already (same message id, or already answered), or when
 * the turn it answers is gone: its person has been erased meanwhile.
 *
 * Ids are handed out before a transaction commits; the lock per conversation makes their order the order of commits, so
 * that a reader who has seen one never misses an earlier one.
 */
export async function addTurn(database: Queryable, turn: NewTurn): Promise<Turn | undefined> {
  const added = await database.query<TurnRow>(
    `with locked as materialized (
       select pg_advisory_xact_lock(hashtextextended('belfry:conversation:' || $1::text, 0))
     ), added as (
       insert into conversation_turns (conversation_id, user_id, author, kind, text, message_id, answers, sent_at,
         follow_up_id)
       select $1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::bigint,
         coalesce($8::text::timestamptz, now()), $9::bigint
       from locked
       where $7::bigint is null or exists (select from conversation_turns where turn_id = $7::bigint)
       on conflict do nothing returning *
     ), hint as materialized (select pg_notify('${TURNS_CHANNEL}', conversation_id) from added)
     select ${COLUMNS} from added left join hint on true`,
    [
      turn.conversationId,
      turn.userId,
      turn.author,
      turn.kind,
      turn.text,
      turn.messageId ?? null,
      turn.answers ?? null,
      turn.now,
      turn.followUpId ?? null,
    ],
  )
  return added.rows[0] && turnOf(added.rows[0])
}

/** Takes a turn away again. */
export async function removeTurn(database: Queryable, turnId: number): Promise<void> {
  await database.query('delete from conversation_turns where turn_id = $1::bigint', [turnId])
}

/** An inbound turn by its message id, and whether it has its answer. */
export async function findInbound(
  database: Queryable,
  key: { conversationId: string; messageId: string },
): Promise<{ turn: Turn; answered: boolean } | undefined> {
  const found = await database.query<TurnRow & { answered: boolean }>(
    `select ${COLUMNS}, exists (select from conversation_turns reply where reply.answers = turn.turn_id) as answered
     from conversation_turns turn where conversation_id = $1::text and message_id = $2::text`,
    [key.conversationId, key.messageId],
  )
  const row = found.rows[0]
  return row && { turn: turnOf(row), answered: row.answered }
}

/** Somebody changed what they said, where they said it. False when it is not known, or no longer: what was taken back stays so. */
export async function changeTurn(
  database: Queryable,
  change: { conversationId: string; messageId: string; text: string },
): Promise<boolean> {
  const changed = await database.query<{ turn_id: number }>(
    `update conversation_turns set text = $3::text
     where conversation_id = $1::text and message_id = $2::text and author = 'user' and text <> ''
     returning turn_id::float8 as turn_id`,
    [change.conversationId, change.messageId, change.text],
  )
  return changed.rows.length > 0
}

/**
 * Somebody took back what they said: its words are gone. The row stays, so that a message handed in once more is still
 * known. Answers how many there were.
 */
export async function takeBackTurns(
  database: Queryable,
  taken: { conversationId: string; messageIds: readonly string[] },
): Promise<number> {
  const changed = await database.query<{ turn_id: number }>(
    `update conversation_turns set text = ''
     where conversation_id = $1::text and message_id = any($2::text[]) and author = 'user'
     returning turn_id::float8 as turn_id`,
    [taken.conversationId, taken.messageIds],
  )
  return changed.rows.length
}

/** Turns after one a reader has seen, oldest first; of very many the newest `limit`. */
export async function turnsAfter(
  database: Queryable,
  request: { conversationId: string; afterTurnId: number; limit: number },
): Promise<Turn[]> {
  const found = await database.query<TurnRow>(
    `select ${COLUMNS} from conversation_turns where conversation_id = $1::text and turn_id > $2::bigint
     order by turn_id desc limit $3::int`,
    [request.conversationId, request.afterTurnId, request.limit],
  )
  return found.rows.map(turnOf).toReversed()
}

/** The id of the last turn of a conversation, 0 when there is none. */
export async function lastTurnId(database: Queryable, conversationId: string): Promise<number> {
  const found = await database.query<{ last: number }>(
    `select coalesce(max(turn_id), 0)::float8 as last from conversation_turns where conversation_id = $1::text`,
    [conversationId],
  )
  return found.rows[0]?.last ?? 0
}

/**
 * The last turns of talk and follow-ups (no commands), oldest first.
 * @param request.userId only what this person said and was answered: in a channel others talk too
 */
export async function recentTalk(
  database: Queryable,
  request: { conversationId: string; limit: number; userId?: string },
): Promise<Turn[]> {
  const found = await database.query<TurnRow>(
    `select ${COLUMNS} from conversation_turns where conversation_id = $1::text and kind <> 'command' and text <> ''
       and ($3::text is null or user_id = $3::text)
     order by turn_id desc limit $2::int`,
    [request.conversationId, request.limit, request.userId ?? null],
  )
  return found.rows.map(turnOf).toReversed()
}

/** The bot's last turn of talk: a chat answer, a question of its own or a follow-up, not the answer to a command. */
export async function lastBotTurn(
  database: Queryable,
  conversationId: string,
): Promise<(Turn & { messageId: string | undefined }) | undefined> {
  const found = await database.query<TurnRow & { message_id: string | null }>(
    `select ${COLUMNS}, message_id from conversation_turns
     where conversation_id = $1::text and author = 'bot' and kind <> 'command' order by turn_id desc limit 1`,
    [conversationId],
  )
  const row = found.rows[0]
  return row && { ...turnOf(row), messageId: row.message_id ?? undefined }
}

function turnOf(row: TurnRow): Turn {
  return {
    turnId: row.turn_id,
    conversationId: row.conversation_id,
    userId: row.user_id,
    author: row.author,
    kind: row.kind,
    text: row.text,
    sentAt: new Date(row.sent_ms),
    ...(row.follow_up_id !== null && { followUpId: row.follow_up_id }),
  }
}
