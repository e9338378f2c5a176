import type { Queryable } from '../database/database.ts'
import { SCHEDULE_COLUMNS, type ScheduleRow } from './schedule-rows.ts'
import type { Tables } from './tables.ts'

/** The present by the database's clock, in milliseconds since 1970. */
export async function readNow(database: Queryable, now: string | null): Promise<number> {
  const answer = await database.query<{ ms: number }>(
    `select (extract(epoch from coalesce($1::text::timestamptz, clock_timestamp())) * 1000)::float8 as ms`,
    [now],
  )
  return answer.rows[0]?.ms ?? 0
}

/** A schedule, locked until the transaction ends. */
export async function lockSchedule(
  transaction: Queryable,
  tables: Tables,
  scheduleId: string,
): Promise<ScheduleRow | undefined> {
  const [row] = await lockSchedules(transaction, tables, [scheduleId])
  return row
}

/** Schedules, by id, locked until the transaction ends; always in that order, so that nobody waits in a circle. */
export async function lockSchedules(
  transaction: Queryable,
  tables: Tables,
  ids: readonly string[],
): Promise<ScheduleRow[]> {
  const found = await transaction.query<ScheduleRow>(
    `select ${SCHEDULE_COLUMNS} from ${tables.schedules} where schedule_id = any($1::text[])
     order by schedule_id for update`,
    [ids],
  )
  return found.rows
}

/** A schedule as it shall be stored. */
export interface NewSchedule {
  readonly scheduleId: string
  readonly jobType: string
  readonly rule: string
  readonly timeZone: string
  /** JSON text. */
  readonly ruleOptions: string
  /** JSON text. */
  readonly payload: string
  readonly payloadVersion: number
  /** JSON text. */
  readonly jobOptions: string
  readonly maxRetries: number
  readonly overlap: string
  /** JSON text. */
  readonly catchUp: string
  /** One that came from code stays so, whoever changes it. */
  readonly origin: 'code' | 'runtime'
  /** ISO text. */
  readonly nextOccurrence: string | null
}

/**
 * Stores a schedule, new or changed, and tells the runners to look again. One that was paused for an error goes on; one
 * that was paused by hand stays paused.
 */
export async function saveSchedule(transaction: Queryable, tables: Tables, schedule: NewSchedule): Promise<void> {
  await transaction.query(
    `with saved as (
       insert into ${tables.schedules} as stored (schedule_id, job_type, rule, time_zone, payload, payload_version,
         max_retries, overlap, catch_up, next_occurrence, rule_options, origin, job_options)
       values ($1::text, $2::text, $3::text, $4::text, $5::text::jsonb, $6::int, $7::int, $8::text,
         $9::text::jsonb, $10::text::timestamptz, $12::text::jsonb, $13::text, $14::text::jsonb)
       on conflict (schedule_id) do update set job_type = excluded.job_type, rule = excluded.rule,
         time_zone = excluded.time_zone, payload = excluded.payload, payload_version = excluded.payload_version,
         max_retries = excluded.max_retries, overlap = excluded.overlap, catch_up = excluded.catch_up,
         next_occurrence = excluded.next_occurrence, rule_options = excluded.rule_options,
         job_options = excluded.job_options,
         origin = case when excluded.origin = 'code' then 'code' else stored.origin end,
         paused = stored.paused and stored.error_message is null, error_message = null, updated_at = now()
       returning 1
     ) select pg_notify($11::text, 'schedules') from saved`,
    [
      schedule.scheduleId,
      schedule.jobType,
      schedule.rule,
      schedule.timeZone,
      schedule.payload,
      schedule.payloadVersion,
      schedule.maxRetries,
      schedule.overlap,
      schedule.catchUp,
      schedule.nextOccurrence,
      tables.channel,
      schedule.ruleOptions,
      schedule.origin,
      schedule.jobOptions,
    ],
  )
}

/** Notes that schedules, whatever made them, are defined in code by now. */
export async function adoptSchedules(transaction: Queryable, tables: Tables, ids: readonly string[]): Promise<void> {
  await transaction.query(
    `update ${tables.schedules} set origin = 'code' where schedule_id = any($1::text[]) and origin <> 'code'`,
    [ids],
  )
}

/**
 * Pauses or resumes a schedule. Paused, it forgets an occurrence that waits; resumed, it goes on at `nextOccurrence` and
 * forgets its error. False when there is none.
 */
export async function pauseSchedule(
  transaction: Queryable,
  tables: Tables,
  change: { scheduleId: string; paused: boolean; nextOccurrence: string | null; error: string | null },
): Promise<boolean> {
  const changed = await transaction.query<{ hint: string }>(
    `with changed as (
       update ${tables.schedules} set paused = $2::boolean, error_message = $5::text, updated_at = now(),
         next_occurrence = coalesce($3::text::timestamptz, next_occurrence),
         skipped_count = skipped_count + ($2::boolean and waiting_occurrence is not null)::int,
         waiting_occurrence = case when not $2::boolean then waiting_occurrence end
       where schedule_id = $1::text returning 1
     ) select pg_notify($4::text, 'schedules')::text as hint from changed`,
    [change.scheduleId, change.paused, change.nextOccurrence, tables.channel, change.error],
  )
  return changed.rows.length > 0
}

/** Deletes schedules; jobs they made stay. Answers those there were. */
export async function deleteSchedules(
  database: Queryable,
  tables: Tables,
  ids: readonly string[],
): Promise<ScheduleRow[]> {
  const gone = await database.query<ScheduleRow>(
    `delete from ${tables.schedules} where schedule_id = any($1::text[]) returning ${SCHEDULE_COLUMNS}`,
    [ids],
  )
  return gone.rows
}

/** Lets an occurrence wait for an earlier job to end; one that waited before is passed over. */
export async function letWait(
  transaction: Queryable,
  tables: Tables,
  request: { scheduleId: string; occurrence: string },
): Promise<void> {
  await transaction.query(
    `with changed as (
       update ${tables.schedules} set waiting_occurrence = $2::text::timestamptz,
         skipped_count = skipped_count + (waiting_occurrence is not null)::int
       where schedule_id = $1::text returning 1
     ) select pg_notify($3::text, 'schedules')::text as hint from changed`,
    [request.scheduleId, request.occurrence, tables.channel],
  )
}
