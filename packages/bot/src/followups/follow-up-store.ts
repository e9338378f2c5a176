import type { Queryable } from 'belfry/database'
import type { PlatformName } from '../messaging/message.ts'

/** Where a follow-up stands: its text is frozen, it went out, or it was withheld after all. */
export type FollowUpState = 'prepared' | 'sent' | 'withheld'

/** A follow-up whose text is fixed: a retry sends these very words. */
export interface PreparedFollowUp {
  readonly id: number
  readonly state: FollowUpState
  readonly message: string
  readonly conversationId: string
}

interface PreparedRow {
  id: number
  state: FollowUpState
  message_sent: string
  conversation_id: string
}

const PREPARED_COLUMNS = 'id::float8 as id, state, message_sent, conversation_id'

/** The follow-up a job prepared earlier, if it did. */
export async function findFollowUpOfJob(database: Queryable, jobId: string): Promise<PreparedFollowUp | undefined> {
  const found = await database.query<PreparedRow>(
    `select ${PREPARED_COLUMNS} from follow_up_history where job_id = $1::text`,
    [jobId],
  )
  return found.rows[0] && preparedOf(found.rows[0])
}

/** Freezes a follow-up's text. If the job has one already, that one is answered: the first text stands. */
export async function prepareFollowUp(
  database: Queryable,
  followUp: {
    jobId: string
    userId: string
    platform: PlatformName
    conversationId: string
    message: string
    context: Readonly<Record<string, unknown>>
    source: 'model' | 'template'
    template: string | undefined
    automatic: boolean
    now: string | null
  },
): Promise<PreparedFollowUp> {
  const prepared = await database.query<PreparedRow>(
    `with fresh as (
       insert into follow_up_history (job_id, user_id, platform, conversation_id, message_sent, context_data, source,
         template, automatic, state, sent_at, prepared_at)
       values ($1::text, $2::text, $3::text, $4::text, $5::text, $6::text::jsonb, $7::text, $8::text, $9::boolean,
         'prepared', null, coalesce($10::text::timestamptz, now()))
       on conflict (job_id) where job_id is not null do nothing
       returning id, state, message_sent, conversation_id
     )
     select ${PREPARED_COLUMNS} from fresh`,
    [
      followUp.jobId,
      followUp.userId,
      followUp.platform,
      followUp.conversationId,
      followUp.message,
      JSON.stringify(followUp.context),
      followUp.source,
      followUp.template ?? null,
      followUp.automatic,
      followUp.now,
    ],
  )
  if (prepared.rows[0]) return preparedOf(prepared.rows[0])
  const earlier = await findFollowUpOfJob(database, followUp.jobId)
  if (!earlier) throw new Error(`follow-up of job ${followUp.jobId} was neither stored nor found`)
  return earlier
}

/** Marks a follow-up as sent, in the transaction that sends it. False when it is sent already. */
export async function markSent(database: Queryable, request: { id: number; now: string | null }): Promise<boolean> {
  const marked = await database.query<{ id: number }>(
    `update follow_up_history set state = 'sent', sent_at = coalesce($2::text::timestamptz, now())
     where id = $1::bigint and state <> 'sent' returning id::float8 as id`,
    [request.id, request.now],
  )
  return marked.rows.length > 0
}

/** Marks the prepared follow-up of a job as withheld: its text will never go out. */
export async function markWithheld(database: Queryable, jobId: string): Promise<void> {
  await database.query(
    `update follow_up_history set state = 'withheld' where job_id = $1::text and state = 'prepared'`,
    [jobId],
  )
}

/** Forgets a text that was not sent and has gone stale: the person has spoken since. */
export async function discardPrepared(database: Queryable, jobId: string): Promise<void> {
  await database.query(`delete from follow_up_history where job_id = $1::text and state = 'prepared'`, [jobId])
}

/** Times of the follow-ups a person was sent within a span before now, newest first. */
export async function sentWithin(
  database: Queryable,
  request: { userId: string; withinMs: number; now: string | null },
): Promise<Date[]> {
  const found = await database.query<{ sent_ms: number }>(
    `select (extract(epoch from sent_at) * 1000)::float8 as sent_ms from follow_up_history
     where user_id = $1::text and state = 'sent'
       and sent_at > coalesce($3::text::timestamptz, now()) - $2::float8 * interval '1 millisecond'
     order by sent_at desc`,
    [request.userId, request.withinMs, request.now],
  )
  return found.rows.map(row => new Date(row.sent_ms))
}

/** Follow-ups sent to anybody within a span before now, and to how many. */
export async function countSentWithin(
  database: Queryable,
  request: { withinMs: number; now: string | null },
): Promise<number> {
  const counted = await database.query<{ count: number }>(
    `select count(*)::int as count from follow_up_history where state = 'sent'
       and sent_at > coalesce($2::text::timestamptz, now()) - $1::float8 * interval '1 millisecond'`,
    [request.withinMs, request.now],
  )
  return counted.rows[0]?.count ?? 0
}

/** The last follow-ups a person was sent, newest first. */
export async function lastFollowUps(
  database: Queryable,
  request: { userId: string; limit: number },
): Promise<{ message: string; template: string | undefined; sentAt: Date }[]> {
  const found = await database.query<{ message_sent: string; template: string | null; sent_ms: number }>(
    `select message_sent, template, (extract(epoch from sent_at) * 1000)::float8 as sent_ms from follow_up_history
     where user_id = $1::text and state = 'sent' order by sent_at desc limit $2::int`,
    [request.userId, request.limit],
  )
  return found.rows.map(row => ({
    message: row.message_sent,
    template: row.template ?? undefined,
    sentAt: new Date(row.sent_ms),
  }))
}

/**
 * Credits the last follow-up of a person with their answer: the first message within the window. One answer per
 * follow-up, last touch. Answers the id of the credited one.
 */
export async function creditResponse(
  database: Queryable,
  request: { userId: string; windowMs: number; now: string | null },
): Promise<number | undefined> {
  const credited = await database.query<{ id: number }>(
    `update follow_up_history set response_received = true, response_time = coalesce($3::text::timestamptz, now())
     where id = (
       select id from follow_up_history where user_id = $1::text and state = 'sent' order by sent_at desc limit 1
     ) and response_received is not true
       and sent_at > coalesce($3::text::timestamptz, now()) - $2::float8 * interval '1 millisecond'
     returning id::float8 as id`,
    [request.userId, request.windowMs, request.now],
  )
  return credited.rows[0]?.id
}

/** Whether a job's row is still there. Under its person's lock it stays so: erasing takes that lock too. */
export async function isJobKept(transaction: Queryable, jobId: string): Promise<boolean> {
  const found = await transaction.query<{ job_id: string }>(
    'select job_id from scheduled_jobs where job_id = $1::text limit 1',
    [jobId],
  )
  return found.rows.length > 0
}

/** A person's follow-up job that has not ended. */
export interface PendingFollowUp {
  readonly jobId: string
  readonly scheduledTime: Date
  /** Milliseconds from now by the database's clock; negative when it is due. */
  readonly dueInMs: number
  readonly running: boolean
}

/** A person's follow-up jobs that have not ended, soonest first. */
export async function pendingFollowUps(
  database: Queryable,
  userId: string,
  now: string | null,
): Promise<PendingFollowUp[]> {
  const found = await database.query<{ job_id: string; scheduled_ms: number; due_in_ms: number; running: boolean }>(
    `select job_id, status = 'running' as running, (extract(epoch from scheduled_time) * 1000)::float8 as scheduled_ms,
       (extract(epoch from scheduled_time - coalesce($2::text::timestamptz, clock_timestamp())) * 1000)::float8
         as due_in_ms
     from scheduled_jobs
     where status in ('pending', 'running') and job_type = 'follow_up_message' and coalesce(payload->>'userId', payload->>'user_id') = $1::text
     order by scheduled_time`,
    [userId, now],
  )
  return found.rows.map(row => ({
    jobId: row.job_id,
    scheduledTime: new Date(row.scheduled_ms),
    dueInMs: row.due_in_ms,
    running: row.running,
  }))
}

function preparedOf(row: PreparedRow): PreparedFollowUp {
  return { id: row.id, state: row.state, message: row.message_sent, conversationId: row.conversation_id }
}
