import type { Queryable } from 'belfry/database'

/** A follow-up somebody was sent, as its receipt needs it. */
export interface SentFollowUp {
  readonly id: number
  readonly sentAt: Date
  readonly automatic: boolean
  readonly source: 'model' | 'template' | undefined
  readonly answered: boolean
  /** When the person had last talked before it; undefined when those messages are gone. */
  readonly lastTalkAt: Date | undefined
}

interface SentRow {
  id: number
  sent_ms: number
  automatic: boolean
  source: 'model' | 'template' | null
  answered: boolean
  last_talk_ms: number | null
}

/** What may have reached the person counts: they have the message, whether or not we know. */
const REACHED = `state not in ('prepared', 'withheld')`
const AT = 'coalesce(history.sent_at, history.prepared_at)'

/** A person's own follow-ups that went out, newest first; with an id, that one if it is theirs. */
export async function sentFollowUps(
  database: Queryable,
  request: { userId: string; followUpId?: number; limit: number },
): Promise<SentFollowUp[]> {
  const found = await database.query<SentRow>(
    `select id::float8 as id, (extract(epoch from ${AT}) * 1000)::float8 as sent_ms, automatic, source,
       coalesce(response_received, false) as answered,
       (select (extract(epoch from max(turn.sent_at)) * 1000)::float8 from conversation_turns turn
        where turn.conversation_id = history.conversation_id and turn.user_id = history.user_id
          and turn.author = 'user' and turn.kind = 'chat' and turn.sent_at < ${AT}) as last_talk_ms
     from follow_up_history history
     where user_id = $1::text and ${REACHED} and ($2::bigint is null or id = $2::bigint)
     order by ${AT} desc limit $3::int`,
    [request.userId, request.followUpId ?? null, request.limit],
  )
  return found.rows.map(row => ({
    id: row.id,
    sentAt: new Date(row.sent_ms),
    automatic: row.automatic,
    source: row.source ?? undefined,
    answered: row.answered,
    lastTalkAt: row.last_talk_ms === null ? undefined : new Date(row.last_talk_ms),
  }))
}
