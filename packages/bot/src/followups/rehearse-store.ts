import type { Database, Queryable } from 'belfry/database'
import type { SuppressedPeople } from '../users/suppressed-people-store.ts'
import { readFactsOfMany } from './find-inactive-store.ts'
import type { PersonFacts } from './gates.ts'
import type { RehearsalEvent } from './rehearse.ts'

/** What is replayed, and what became of it. */
export interface History {
  readonly people: ReadonlyMap<string, PersonFacts>
  readonly events: readonly RehearsalEvent[]
  /** Follow-ups that really were sent from `since` to `until`. */
  readonly sent: readonly { readonly userId: string; readonly at: Date }[]
  /** The first message there is; retention may have removed earlier ones. */
  readonly firstMessageAt: Date | undefined
}

export interface HistoryQuery {
  /** Where the replay begins: long enough before `since` to know who had spoken and been written to. */
  readonly from: Date
  readonly since: Date
  readonly until: Date
  /** For what is as it is today. */
  readonly now: string | null
  readonly suppressedPeople: SuppressedPeople
}

/** Whether a bot has ever brought this database up to date; a rehearsal and a report change nothing, so they do not. */
export async function hasFollowUpTables(database: Queryable): Promise<boolean> {
  const found = await database.query<{ found: boolean }>(
    `select to_regclass('public.follow_up_controls') is not null
       and to_regclass('public.scheduled_jobs') is not null as found`,
  )
  return found.rows[0]?.found ?? false
}

/** One look at one instant, in which the database itself refuses every write. The bot goes on beside it. */
export function readOnly<T>(database: Database, look: (snapshot: Queryable) => Promise<T>): Promise<T> {
  return database.transaction(async snapshot => {
    await snapshot.query('set transaction isolation level repeatable read, read only')
    return look(snapshot)
  })
}

/** Everything a rehearsal needs. Texts are not read. */
export async function readHistory(database: Queryable, query: HistoryQuery): Promise<History> {
  const from = query.from.toISOString()
  const until = query.until.toISOString()
  const messages = await readMessages(database, from, until)
  const asked = await readAsked(database, from, until)
  const sent = await readSent(database, from, until)
  const spoke = new Set([...messages, ...asked].map(({ userId }) => userId))
  const people = new Map<string, PersonFacts>()
  const facts = await readFactsOfMany(database, [...spoke].toSorted(), query)
  for (const [userId, { person }] of facts) if (person !== 'unreadable') people.set(userId, person)
  const consents = await readConsents(database, [...people.keys()], until)
  return {
    people,
    events: [...consents, ...sent, ...messages, ...asked],
    sent: sent.filter(({ at }) => at >= query.since).map(({ userId, at }) => ({ userId, at })),
    firstMessageAt: messages[0]?.at,
  }
}

async function readMessages(database: Queryable, from: string, until: string) {
  const found = await database.query<{ user_id: string; conversation_id: string; ms: number }>(
    `select user_id, conversation_id, (extract(epoch from sent_at) * 1000)::float8 as ms from conversation_turns
     where author = 'user' and kind = 'chat' and sent_at >= $1::text::timestamptz and sent_at <= $2::text::timestamptz
     order by sent_at, turn_id`,
    [from, until],
  )
  return found.rows.map(row => ({
    kind: 'message' as const,
    userId: row.user_id,
    conversationId: row.conversation_id,
    at: new Date(row.ms),
  }))
}

async function readSent(database: Queryable, from: string, until: string) {
  const found = await database.query<{ user_id: string; ms: number }>(
    `select user_id, (extract(epoch from coalesce(sent_at, attempted_at)) * 1000)::float8 as ms from follow_up_history
     where state in ('sent', 'uncertain') and coalesce(sent_at, attempted_at) >= $1::text::timestamptz
       and coalesce(sent_at, attempted_at) <= $2::text::timestamptz
     order by coalesce(sent_at, attempted_at), id`,
    [from, until],
  )
  return found.rows.map(row => ({ kind: 'sent' as const, userId: row.user_id, at: new Date(row.ms) }))
}

/** Every word of these people there is, also from long before. */
async function readConsents(database: Queryable, userIds: readonly string[], until: string): Promise<RehearsalEvent[]> {
  const found = await database.query<{
    user_id: string
    kind: 'granted' | 'revoked' | 'snoozed'
    ms: number
    until_ms: number | null
  }>(
    `select user_id, kind, (extract(epoch from at) * 1000)::float8 as ms,
       (extract(epoch from until) * 1000)::float8 as until_ms
     from consent_events where user_id = any($1::text[]) and at <= $2::text::timestamptz order by at, event_id`,
    [userIds, until],
  )
  return found.rows.map(({ user_id: userId, kind, ms, until_ms: untilMs }) => {
    const at = new Date(ms)
    return kind === 'snoozed' ? { kind, userId, at, until: new Date(untilMs ?? ms) } : { kind, userId, at }
  })
}

/**
 * What admins and programs asked for, with the time it was due at first: a deferral moves the job's own. One that a person
 * cancelled (other than by saying no) would not have been sent by any policy.
 */
async function readAsked(database: Queryable, from: string, until: string): Promise<RehearsalEvent[]> {
  const found = await database.query<{ user_id: string; ms: number; due_ms: number }>(
    `select payload->>'userId' as user_id,
       (extract(epoch from (payload->>'plannedAt')::timestamptz) * 1000)::float8 as ms,
       (extract(epoch from coalesce(
         (select min(execution_time - coalesce(wait_ms, 0) * interval '1 millisecond') from job_execution_history history
          where history.job_id = job.job_id), scheduled_time)) * 1000)::float8 as due_ms
     from scheduled_jobs job
     where job_type = 'follow_up_message' and payload->>'automatic' = 'false' and payload->>'userId' is not null
       and (status <> 'cancelled' or error_message = 'opted_out')
       and payload->>'plannedAt' >= $1::text and payload->>'plannedAt' <= $2::text
     order by 2, job_id`,
    [from, until],
  )
  return found.rows.map(row => ({
    kind: 'asked' as const,
    userId: row.user_id,
    at: new Date(row.ms),
    dueAt: new Date(row.due_ms),
  }))
}
