import type { Queryable } from '../database/database.ts'
import { SCHEDULE_COLUMNS, type ScheduleRow } from './schedule-rows.ts'
import type { Tables } from './tables.ts'

/** Schedules whose next occurrence has come, locked until the transaction ends; one another process fires is skipped. */
export async function lockDueSchedules(
  transaction: Queryable,
  tables: Tables,
  request: { now: string | null; limit: number },
): Promise<ScheduleRow[]> {
  const found = await transaction.query<ScheduleRow>(
    `select ${SCHEDULE_COLUMNS} from ${tables.schedules}
     where not paused and next_occurrence <= coalesce($1::text::timestamptz, clock_timestamp())
     order by next_occurrence limit $2::int for update skip locked`,
    [request.now, request.limit],
  )
  return found.rows
}

/** Notes what a schedule did and when it comes next. */
export async function advanceSchedule(
  transaction: Queryable,
  tables: Tables,
  step: { scheduleId: string; occurrence: string; fired: boolean; nextOccurrence: string | null },
): Promise<void> {
  await transaction.query(
    `update ${tables.schedules} set last_occurrence = $2::text::timestamptz, next_occurrence = $4::text::timestamptz,
       fired_count = fired_count + $3::boolean::int, skipped_count = skipped_count + (not $3::boolean)::int
     where schedule_id = $1::text`,
    [step.scheduleId, step.occurrence, step.fired, step.nextOccurrence],
  )
}

/** Milliseconds until the next occurrence of any schedule (negative: already due), or null when there is none. */
export async function nextOccurrenceInMs(
  database: Queryable,
  tables: Tables,
  now: string | null,
): Promise<number | null> {
  const answer = await database.query<{ ms: number | null }>(
    `select (extract(epoch from min(next_occurrence) - coalesce($1::text::timestamptz, clock_timestamp())) * 1000)::float8 as ms
     from ${tables.schedules} where not paused`,
    [now],
  )
  return answer.rows[0]?.ms ?? null
}
