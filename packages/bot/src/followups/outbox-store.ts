import type { Queryable } from 'belfry/database'
import type { PlatformName } from '../messaging/message.ts'
import type { Delivery } from '../messaging/platform.ts'
import type { FollowUpState } from './delivery-decision.ts'

/** One row of the outbox: what is about to be sent, may have been, was. Its text is fixed: a retry sends these words. */
export interface OutboxRow {
  readonly id: number
  readonly jobId: string
  readonly userId: string
  readonly state: FollowUpState
  readonly message: string
  readonly platform: PlatformName
  readonly conversationId: string
  /** Frozen for a channel, where others read along; else it goes to its person alone, wherever they talked. */
  readonly inChannel: boolean
  /** Their conversation with the bot alone, as far as it is known now. */
  readonly privateConversationId: string | undefined
  /** Whether it arrives without a sound. */
  readonly silent: boolean
  readonly language: string | undefined
  readonly nonce: string
  /** Tries so far; every one is counted before it is made. */
  readonly attempts: number
  /** The filter's code, when the text was replaced by a plain one; the last fault's otherwise. */
  readonly failureCode: string | undefined
  readonly reason: string | undefined
  readonly isPlain: boolean
  /** When the first try was made that may have gone out. */
  readonly attemptedAt: Date | undefined
  readonly attemptedAgoMs: number | undefined
  readonly preparedAgoMs: number
  /** The message there, once the platform has said so. */
  readonly platformMessageId: string | undefined
  /** The platform had accepted it before it said so. */
  readonly isDeduplicated: boolean
}

interface Row {
  id: number
  job_id: string
  user_id: string
  state: FollowUpState
  message_sent: string
  platform: PlatformName | null
  conversation_id: string | null
  in_channel: boolean
  private_conversation_id: string | null
  silent: boolean
  language: string | null
  nonce: string | null
  attempts: number
  failure_code: string | null
  reason: string | null
  template: string | null
  attempted_ms: number | null
  attempted_ago_ms: number | null
  prepared_ago_ms: number
  platform_message_id: string | null
  deduplicated: boolean
}

/** Column `template` of a text that replaced one which a platform's filter refused. */
const PLAIN = 'plain'

const columns = (
  now: string,
) => `id::float8 as id, job_id, user_id, state, message_sent, platform, conversation_id, in_channel, language, nonce, silent,
  (select private_conversation_id from user_profiles person where person.user_id = follow_up_history.user_id),
  attempts, failure_code, reason, template, platform_message_id, deduplicated,
  (extract(epoch from attempted_at) * 1000)::float8 as attempted_ms,
  (extract(epoch from coalesce(${now}::text::timestamptz, clock_timestamp()) - attempted_at) * 1000)::float8
    as attempted_ago_ms,
  (extract(epoch from coalesce(${now}::text::timestamptz, clock_timestamp()) - prepared_at) * 1000)::float8
    as prepared_ago_ms`

/** The follow-up of a job, if one was begun. */
export async function findFollowUpOfJob(
  database: Queryable,
  jobId: string,
  now: string | null,
): Promise<OutboxRow | undefined> {
  const found = await database.query<Row>(`select ${columns('$2')} from follow_up_history where job_id = $1::text`, [
    jobId,
    now,
  ])
  return found.rows[0] && rowOf(found.rows[0])
}

/** The follow-up that was or may have been sent under a nonce. */
export async function findFollowUpOfNonce(
  database: Queryable,
  nonce: string,
  now: string | null,
): Promise<OutboxRow | undefined> {
  const found = await database.query<Row>(`select ${columns('$2')} from follow_up_history where nonce = $1::text`, [
    nonce,
    now,
  ])
  return found.rows[0] && rowOf(found.rows[0])
}

/** A follow-up whose text is about to be frozen. */
export interface NewFollowUp {
  readonly jobId: string
  readonly userId: string
  readonly platform: PlatformName
  readonly conversationId: string
  readonly inChannel: boolean
  readonly message: string
  readonly contentHash: string
  readonly nonce: string
  readonly context: Readonly<Record<string, unknown>>
  readonly source: 'model' | 'template'
  readonly template: string | undefined
  readonly language: string | undefined
  readonly variant: string | undefined
  /** Hours of silence before it. */
  readonly delayHours: number | undefined
  readonly automatic: boolean
  readonly silent: boolean
  readonly now: string | null
}

/** Freezes a follow-up's text. If the job has one already, that one is answered: the first text stands. */
export async function prepareFollowUp(database: Queryable, followUp: NewFollowUp): Promise<OutboxRow> {
  await database.query(
    `insert into follow_up_history (job_id, user_id, platform, conversation_id, target, message_sent, content_hash, nonce,
       context_data, source, template, language, variant, delay_hours, automatic, silent, state, sent_at, prepared_at, in_channel)
     values ($1::text, $2::text, $3::text, $4::text, $4::text, $5::text, $6::text, $7::text, $8::text::jsonb, $9::text,
       $10::text, $11::text, $12::text, $13::float8, $14::boolean, $15::boolean, 'prepared', null,
       coalesce($16::text::timestamptz, now()), $17::boolean)
     on conflict (job_id) where job_id is not null do nothing`,
    [
      followUp.jobId,
      followUp.userId,
      followUp.platform,
      followUp.conversationId,
      followUp.message,
      followUp.contentHash,
      followUp.nonce,
      JSON.stringify(followUp.context),
      followUp.source,
      followUp.template ?? null,
      followUp.language ?? null,
      followUp.variant ?? null,
      followUp.delayHours ?? null,
      followUp.automatic,
      followUp.silent,
      followUp.now,
      followUp.inChannel,
    ],
  )
  const stored = await findFollowUpOfJob(database, followUp.jobId, followUp.now)
  if (!stored) throw new Error(`follow-up of job ${followUp.jobId} was neither stored nor found`)
  return stored
}

/** A row as it was read: a change is made only if nobody has changed it since. */
export type Fence = Pick<OutboxRow, 'id' | 'state' | 'attempts'>

/** Moves a row to another state. False when it is not as it was read any more. */
export async function moveFollowUp(
  database: Queryable,
  row: Fence,
  to: { state: FollowUpState; failureCode?: string | undefined },
): Promise<boolean> {
  const moved = await database.query<{ id: number }>(
    `update follow_up_history set state = $4::text, failure_code = coalesce($5::text, failure_code)
     where id = $1::bigint and state = $2::text and attempts = $3::int returning id::float8 as id`,
    [row.id, row.state, row.attempts, to.state, to.failureCode ?? null],
  )
  return moved.rows.length > 0
}

/**
 * Notes that a try begins: from now on it counts against the caps. The time of the first try that may have gone out
 * stays, for it is from then that the platform remembers the nonce.
 * @param attempt.opens it opens a channel to its person, which is counted once
 */
export async function beginTry(
  database: Queryable,
  row: Fence,
  attempt: { isFirst: boolean; opens: boolean; now: string | null },
): Promise<OutboxRow | undefined> {
  const begun = await database.query<Row>(
    `update follow_up_history set state = 'sending', attempts = attempts + 1,
       attempted_at = case when $4::boolean or attempted_at is null
         then coalesce($5::text::timestamptz, clock_timestamp()) else attempted_at end,
       channel_opened_at = coalesce(channel_opened_at,
         case when $6::boolean then coalesce($5::text::timestamptz, clock_timestamp()) end)
     where id = $1::bigint and state = $2::text and attempts = $3::int returning ${columns('$5')}`,
    [row.id, row.state, row.attempts, attempt.isFirst, attempt.now, attempt.opens],
  )
  return begun.rows[0] && rowOf(begun.rows[0])
}

/**
 * Marks a follow-up as sent, in the transaction that keeps the turn. False when it is sent already. No fence: that it is
 * there is true whoever saw it first and whatever was believed before.
 */
export async function markSent(
  database: Queryable,
  sent: Partial<Delivery> & { id: number; at: string | null },
): Promise<boolean> {
  const marked = await database.query<{ id: number }>(
    `update follow_up_history set state = 'sent', sent_at = coalesce($2::text::timestamptz, now()),
       platform_message_id = $3::text, deduplicated = $4::boolean, reason = null,
       conversation_id = coalesce($5::text, conversation_id)
     where id = $1::bigint and state <> 'sent' returning id::float8 as id`,
    [sent.id, sent.at, sent.platformMessageId ?? null, sent.deduplicated ?? false, sent.conversationId ?? null],
  )
  return marked.rows.length > 0
}

/** Freezes a plain text in place of one that the platform's filter refused; under another nonce, for it is another text. */
export async function replaceWithPlain(
  database: Queryable,
  row: Fence,
  plain: { message: string; contentHash: string; nonce: string; failureCode: string },
): Promise<boolean> {
  const replaced = await database.query<{ id: number }>(
    `update follow_up_history set state = 'prepared', message_sent = $4::text, content_hash = $5::text, nonce = $6::text,
       source = 'template', template = '${PLAIN}', failure_code = $7::text, attempted_at = null
     where id = $1::bigint and state = $2::text and attempts = $3::int returning id::float8 as id`,
    [row.id, row.state, row.attempts, plain.message, plain.contentHash, plain.nonce, plain.failureCode],
  )
  return replaced.rows.length > 0
}

/**
 * Ends the follow-up of a job that will not be sent: its text, if it has one, never goes out. Somebody who got none only
 * because everything was down may be planned anew.
 */
export async function endUnsent(
  database: Queryable,
  end: {
    jobId: string
    userId: string
    state: 'withheld' | 'held_out'
    reason: string
    automatic: boolean
    variant: string | undefined
    now: string | null
  },
): Promise<void> {
  await database.query(
    `with ended as (
       insert into follow_up_history (job_id, user_id, message_sent, state, reason, automatic, variant, sent_at, prepared_at)
       values ($1::text, $2::text, '', $3::text, $4::text, $5::boolean, $6::text, null,
         coalesce($7::text::timestamptz, now()))
       on conflict (job_id) where job_id is not null do update set state = excluded.state, reason = excluded.reason
         where follow_up_history.state = 'prepared'
       returning user_id
     )
     update user_profiles set follow_up_considered_at = null
     where $4::text = 'expired' and user_id in (select user_id from ended)`,
    [end.jobId, end.userId, end.state, end.reason, end.automatic, end.variant ?? null, end.now],
  )
}

/** Forgets a text that was not sent and has gone stale: the person has spoken since. */
export async function discardPrepared(database: Queryable, jobId: string): Promise<void> {
  await database.query(`delete from follow_up_history where job_id = $1::text and state = 'prepared'`, [jobId])
}

/** Their door is closed: nobody writes to them until they write. */
export async function suppressPerson(database: Queryable, person: { userId: string; code: string }): Promise<void> {
  await database.query(
    'update user_profiles set suppressed = $2::text, suppressed_until = null where user_id = $1::text and suppressed is null',
    [person.userId, person.code],
  )
}

function rowOf(row: Row): OutboxRow {
  return {
    id: row.id,
    jobId: row.job_id,
    userId: row.user_id,
    state: row.state,
    message: row.message_sent,
    // Rows that were withheld before a text was written have none of these, and are never sent.
    platform: row.platform ?? 'web',
    conversationId: row.conversation_id ?? '',
    inChannel: row.in_channel,
    privateConversationId: row.private_conversation_id ?? undefined,
    silent: row.silent,
    language: row.language ?? undefined,
    nonce: row.nonce ?? '',
    attempts: row.attempts,
    failureCode: row.failure_code ?? undefined,
    reason: row.reason ?? undefined,
    isPlain: row.template === PLAIN,
    attemptedAt: row.attempted_ms === null ? undefined : new Date(row.attempted_ms),
    attemptedAgoMs: row.attempted_ago_ms ?? undefined,
    preparedAgoMs: row.prepared_ago_ms,
    platformMessageId: row.platform_message_id ?? undefined,
    isDeduplicated: row.deduplicated,
  }
}
