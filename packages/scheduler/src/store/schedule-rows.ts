import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/** A recurring schedule as stored. Times in milliseconds since 1970, infinite when somebody stored that. */
export interface ScheduleRow {
  readonly schedule_id: string
  readonly job_type: string
  readonly rule: string
  readonly time_zone: string
  /** Bounds, policy and what its jobs get; checked when it is read, since people can change rows. */
  readonly rule_options: unknown
  readonly payload: unknown
  readonly payload_version: number
  /** What its jobs carry; checked when it is read, too. */
  readonly job_options: unknown
  readonly max_retries: number
  readonly overlap: string
  readonly catch_up: unknown
  readonly origin: string
  readonly paused: boolean
  readonly error_message: string | null
  readonly next_ms: number | null
  readonly last_ms: number | null
  readonly waiting_ms: number | null
  readonly fired_count: number
  readonly skipped_count: number
}

export const SCHEDULE_COLUMNS = `schedule_id, job_type, rule, time_zone, rule_options, payload, payload_version, job_options,
  max_retries, overlap, catch_up, origin, paused, error_message,
  (extract(epoch from next_occurrence) * 1000)::float8 as next_ms,
  (extract(epoch from last_occurrence) * 1000)::float8 as last_ms,
  (extract(epoch from waiting_occurrence) * 1000)::float8 as waiting_ms,
  fired_count::float8 as fired_count, skipped_count::float8 as skipped_count`

/** Every schedule, by id. */
export async function listSchedules(database: Queryable, tables: Tables): Promise<ScheduleRow[]> {
  const found = await database.query<ScheduleRow>(
    `select ${SCHEDULE_COLUMNS} from ${tables.schedules} order by schedule_id`,
  )
  return found.rows
}
