import type { Queryable } from 'belfry/database'

/** It may have gone out; the index follow_up_history_in_doubt has these rows alone. */
const IN_DOUBT = "state in ('sending', 'uncertain')"

/**
 * Times of the follow-ups a person was sent within a span before now, newest first. One that is being sent, and one of
 * which nobody knows, counts as sent when it was tried: a doubt is resolved towards silence.
 */
export async function sentWithin(
  database: Queryable,
  request: { userId: string; withinMs: number; now: string | null },
): Promise<Date[]> {
  const found = await database.query<{ sent_ms: number }>(
    `select (extract(epoch from coalesce(sent_at, attempted_at)) * 1000)::float8 as sent_ms from follow_up_history
     where user_id = $1::text and (state = 'sent' or ${IN_DOUBT})
       and coalesce(sent_at, attempted_at) > coalesce($3::text::timestamptz, now()) - $2::float8 * interval '1 millisecond'
     order by coalesce(sent_at, attempted_at) desc`,
    [request.userId, request.withinMs, request.now],
  )
  return found.rows.map(row => new Date(row.sent_ms))
}

/** Follow-ups sent to anybody within a span before now, those in doubt included. */
export async function countSentWithin(
  database: Queryable,
  request: { withinMs: number; now: string | null },
): Promise<number> {
  const counted = await database.query<{ count: number }>(
    `select (select count(*) from follow_up_history where state = 'sent'
         and sent_at > coalesce($2::text::timestamptz, now()) - $1::float8 * interval '1 millisecond')::int
       + (select count(*) from follow_up_history where ${IN_DOUBT}
         and attempted_at > coalesce($2::text::timestamptz, now()) - $1::float8 * interval '1 millisecond')::int as count`,
    [request.withinMs, request.now],
  )
  return counted.rows[0]?.count ?? 0
}

/** Follow-ups to a person of which nobody knows whether they went out. */
export interface TriesInDoubt {
  readonly lastAt: Date | undefined
  /** Those since they last spoke, that of the job which asks aside: if they went out, they are unanswered. */
  readonly unanswered: number
}

export async function triesInDoubt(
  database: Queryable,
  request: { userId: string; lastActiveAt: Date | undefined; exceptJob: string | undefined },
): Promise<TriesInDoubt> {
  const found = await database.query<{ tried_ms: number | null; unanswered: number }>(
    `select (extract(epoch from max(attempted_at)) * 1000)::float8 as tried_ms,
       count(*) filter (where attempted_at > coalesce($2::text::timestamptz, '-infinity')
         and job_id is distinct from $3::text)::int as unanswered
     from follow_up_history where user_id = $1::text and ${IN_DOUBT}`,
    [request.userId, request.lastActiveAt?.toISOString() ?? null, request.exceptJob ?? null],
  )
  const { tried_ms: ms = null, unanswered = 0 } = found.rows[0] ?? {}
  return { lastAt: ms === null ? undefined : new Date(ms), unanswered }
}

/** The last follow-ups a person was sent, newest first. */
export async function lastFollowUps(
  database: Queryable,
  request: { userId: string; limit: number },
): Promise<{ message: string; template: string | undefined; conversationId: string | undefined; sentAt: Date }[]> {
  const found = await database.query<{
    message_sent: string
    template: string | null
    conversation_id: string | null
    sent_ms: number
  }>(
    `select message_sent, template, conversation_id, (extract(epoch from sent_at) * 1000)::float8 as sent_ms from follow_up_history
     where user_id = $1::text and state = 'sent' order by sent_at desc limit $2::int`,
    [request.userId, request.limit],
  )
  return found.rows.map(row => ({
    message: row.message_sent,
    template: row.template ?? undefined,
    conversationId: row.conversation_id ?? undefined,
    sentAt: new Date(row.sent_ms),
  }))
}

/**
 * Credits the last follow-up of a person with their answer: the first message within the window, in the conversation the
 * follow-up went to, or anywhere if it says that it answers that follow-up. One answer per follow-up, last touch: an
 * earlier one is never credited once another was sent. Answers the id of the credited one.
 */
export async function creditResponse(
  database: Queryable,
  request: { userId: string; conversationId: string; answersFollowUp?: number; windowMs: number; now: string | null },
): Promise<number | undefined> {
  const credited = await database.query<{ id: number }>(
    `update follow_up_history set response_received = true, response_time = coalesce($3::text::timestamptz, now())
     where id = (
       select id from follow_up_history where user_id = $1::text and state = 'sent' order by sent_at desc limit 1
     ) and response_received is not true
       and (conversation_id is null or conversation_id = $4::text or id = $5::bigint)
       and sent_at > coalesce($3::text::timestamptz, now()) - $2::float8 * interval '1 millisecond'
     returning id::float8 as id`,
    [request.userId, request.windowMs, request.now, request.conversationId, request.answersFollowUp ?? null],
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

/**
 * Whether a follow-up job with this unique key has not ended: one look into an index, for every message that comes in. It
 * asks the partition of unfinished jobs by its name, for planning over all partitions costs more than the look.
 */
export async function isPlanned(database: Queryable, uniqueKey: string): Promise<boolean> {
  const found = await database.query<{ found: number }>(
    `select 1 as found from scheduled_jobs_live
     where job_type = 'follow_up_message' and unique_key = $1::text`,
    [uniqueKey],
  )
  return found.rows.length > 0
}
