import type { Queryable } from '../database/database.ts'
import { durableTables } from './durable-tables.ts'
import { lockTopic, type Topic } from './lock-topic.ts'
import { readyAt } from './ready-at.ts'
import type { Tables } from './tables.ts'

export interface EventToSend extends Topic {
  /** JSON text. */
  readonly payload: string
  /** How long jobs that begin to wait later still get it, in ms. */
  readonly keepMs: number
  readonly now: string | null
}

/**
 * Stores an event and hands it to every job that waits for it, to the oldest wait of each. A pending job is due now; a
 * running one is about to settle, and is woken then. Needs a transaction. Answers how many jobs got it.
 */
export async function sendEvent(transaction: Queryable, tables: Tables, event: EventToSend): Promise<number> {
  await lockTopic(transaction, tables, event)
  const { eventId, waiting } = await storeEvent(transaction, tables, event)
  return waiting.length === 0 ? 0 : deliver(transaction, tables, { event, eventId, waiting })
}

/**
 * Stores the event and locks the jobs that wait for it, in the order of their ids: two senders never wait for each
 * other.
 */
async function storeEvent(
  transaction: Queryable,
  tables: Tables,
  event: EventToSend,
): Promise<{ eventId: string; waiting: readonly string[] }> {
  const { events, steps } = durableTables(tables)
  const stored = await transaction.query<{ event_id: string; waiting: string[] }>(
    `with moment as materialized (
       select coalesce($5::text::timestamptz, clock_timestamp()) as now
     ), sent as (
       insert into ${events} (name, key, payload, sent_at, expires_at)
       select $1::text, $2::text, $3::text::jsonb, now, now + $4::float8 * interval '1 ms' from moment
       returning event_id
     ), waiting as (
       select live.job_id from ${tables.live} live
       where live.job_id in (select job_id from ${steps}
         where not done and kind = 'wait' and event_name = $1::text and event_key = $2::text)
       order by live.job_id for no key update
     )
     select sent.event_id::text, array(select job_id::text from waiting) as waiting from sent`,
    [event.event, event.key, event.payload, event.keepMs, event.now],
  )
  const row = stored.rows[0]
  return { eventId: row?.event_id ?? '0', waiting: row?.waiting ?? [] }
}

/** A statement of its own: it sees the jobs as they are now that they are locked. */
async function deliver(
  transaction: Queryable,
  tables: Tables,
  { event, eventId, waiting }: { event: EventToSend; eventId: string; waiting: readonly string[] },
): Promise<number> {
  const { steps } = durableTables(tables)
  const now = '(select now from moment)'
  const delivered = await transaction.query<{ count: number }>(
    `with moment as materialized (
       select coalesce($6::text::timestamptz, clock_timestamp()) as now
     ), oldest as (
       select distinct on (step.job_id) step.job_id, step.name, live.attempt
       from ${steps} step join ${tables.live} live on live.job_id = step.job_id
       where step.job_id = any($1::text[]) and step.kind = 'wait' and not step.done
         and step.event_name = $2::text and step.event_key = $3::text and step.wake_at > ${now}
       order by step.job_id, step.created_at, step.name
     ), arrived as (
       update ${steps} step set done = true, result = $4::text::jsonb, event_id = $5::text::bigint,
         arrived_at = ${now}, arrived_in = oldest.attempt
       from oldest
       where step.job_id = oldest.job_id and step.kind = 'wait' and step.name = oldest.name and not step.done
       returning step.job_id
     ), woken as (
       update ${tables.live} live set scheduled_time = ${now}, ready_at = ${readyAt(now, 'live.priority')}
       from arrived where live.job_id = arrived.job_id and live.lease_token is null
         and live.last_outcome = 'snoozed' and live.scheduled_time > ${now}
       returning live.job_id
     ), hint as materialized (select pg_notify($7::text, 'due') from (select from woken limit 1) one)
     select (select count(*) from arrived)::int as count, (select count(*) from hint)::int as hints`,
    [waiting, event.event, event.key, event.payload, eventId, event.now, tables.channel],
  )
  return delivered.rows[0]?.count ?? 0
}
