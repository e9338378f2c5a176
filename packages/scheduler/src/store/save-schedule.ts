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
  const found = await transaction.query<ScheduleRow>(
    `select ${SCHEDULE_COLUMNS} from ${tables.schedules} where schedule_id = $1::text for update`,
    [scheduleId],
  )
  return found.rows[0]
}

export interface NewSchedule {
  readonly scheduleId: string
  readonly jobType: string
  readonly rule: string
  readonly timeZone: string
  /** JSON text. */
  readonly payload: string
  readonly payloadVersion: number
  readonly maxRetries: number
  readonly overlap: string
  readonly catchUp: string
  /** ISO text. */
  readonly nextOccurrence: string | null
}

/** Stores a schedule, new or changed, and tells the runners to look again. */
export async function saveSchedule(transaction: Queryable, tables: Tables, schedule: NewSchedule): Promise<void> {
  await transaction.query(
    `with saved as (
       insert into ${tables.schedules} (schedule_id, job_type, rule, time_zone, payload, payload_version, max_retries,
         overlap, catch_up, next_occurrence)
       values ($1::text, $2::text, $3::text, $4::text, $5::text::jsonb, $6::int, $7::int, $8::text,
         to_jsonb($9::text), $10::text::timestamptz)
       on conflict (schedule_id) do update set job_type = excluded.job_type, rule = excluded.rule,
         time_zone = excluded.time_zone, payload = excluded.payload, payload_version = excluded.payload_version,
         max_retries = excluded.max_retries, overlap = excluded.overlap, catch_up = excluded.catch_up,
         next_occurrence = excluded.next_occurrence, updated_at = now()
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
    ],
  )
}

/** Pauses or resumes a schedule; a resumed one goes on at `nextOccurrence`. False when there is none. */
export async function pauseSchedule(
  transaction: Queryable,
  tables: Tables,
  change: { scheduleId: string; paused: boolean; nextOccurrence: string | null },
): Promise<boolean> {
  const changed = await transaction.query<{ hint: string }>(
    `with changed as (
       update ${tables.schedules} set paused = $2::boolean, updated_at = now(),
         next_occurrence = coalesce($3::text::timestamptz, next_occurrence)
       where schedule_id = $1::text returning 1
     ) select pg_notify($4::text, 'schedules')::text as hint from changed`,
    [change.scheduleId, change.paused, change.nextOccurrence, tables.channel],
  )
  return changed.rows.length > 0
}

/** Deletes a schedule; jobs it made stay. False when there is none. */
export async function deleteSchedule(database: Queryable, tables: Tables, scheduleId: string): Promise<boolean> {
  const gone = await database.query<{ schedule_id: string }>(
    `delete from ${tables.schedules} where schedule_id = $1::text returning schedule_id`,
    [scheduleId],
  )
  return gone.rows.length > 0
}
