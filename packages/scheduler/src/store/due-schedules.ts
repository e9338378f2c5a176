import type { Queryable } from '../database/database.ts'
import { SCHEDULE_COLUMNS, type ScheduleRow } from './schedule-rows.ts'
import type { Tables } from './tables.ts'

/** An occurrence this far ahead of the clock shows that the clock was put back since it fired. */
const CLOCK_WAS_PUT_BACK = `interval '1 minute'`

/**
 * Schedules that have something to do, locked until the transaction ends; one that another process holds is passed over.
 * Their next occurrence has come; or one waits for an earlier job, which has ended; or they fired in what is the future
 * now, since the database's clock was put back.
 */
export async function lockDueSchedules(
  transaction: Queryable,
  tables: Tables,
  request: { now: string | null; limit: number },
): Promise<ScheduleRow[]> {
  const found = await transaction.query<ScheduleRow>(
    `with moment as materialized (select coalesce($1::text::timestamptz, clock_timestamp()) as now)
     select ${SCHEDULE_COLUMNS} from ${tables.schedules} as schedule
     where (not paused and (next_occurrence <= (select now from moment)
         or last_occurrence > (select now from moment) + ${CLOCK_WAS_PUT_BACK}))
       or (waiting_occurrence is not null
         and not exists (select from ${tables.live} live where live.schedule_id = schedule.schedule_id))
     order by next_occurrence limit $2::int for update of schedule skip locked`,
    [request.now, request.limit],
  )
  return found.rows
}

/** What one look at a schedule came to. Times are ISO text. */
export interface ScheduleStep {
  readonly scheduleId: string
  readonly lastOccurrence: string | null
  readonly nextOccurrence: string | null
  /** The occurrence that waits for an earlier job to end. */
  readonly waitingOccurrence: string | null
  readonly fired: number
  readonly skipped: number
}

/** Notes what a schedule did and when it comes next. */
export async function advanceSchedule(transaction: Queryable, tables: Tables, step: ScheduleStep): Promise<void> {
  await transaction.query(
    `update ${tables.schedules} set last_occurrence = $2::text::timestamptz, next_occurrence = $3::text::timestamptz,
       waiting_occurrence = $4::text::timestamptz, fired_count = fired_count + $5::int,
       skipped_count = skipped_count + $6::int
     where schedule_id = $1::text`,
    [step.scheduleId, step.lastOccurrence, step.nextOccurrence, step.waitingOccurrence, step.fired, step.skipped],
  )
}

/** When there is something to do next. */
export interface ScheduleOutlook {
  /** Milliseconds until the next occurrence of any schedule (negative: already due), or null when there is none. */
  readonly nextMs: number | null
  /** Job types of which an occurrence waits for an earlier job to end. */
  readonly waitingTypes: readonly string[]
}

export async function scheduleOutlook(
  database: Queryable,
  tables: Tables,
  now: string | null,
): Promise<ScheduleOutlook> {
  const answer = await database.query<{ ms: number | null; waiting: string[] | null }>(
    `select (extract(epoch from min(next_occurrence) filter (where not paused and next_occurrence < 'infinity')
         - coalesce($1::text::timestamptz, clock_timestamp())) * 1000)::float8 as ms,
       array_agg(job_type::text) filter (where waiting_occurrence is not null) as waiting
     from ${tables.schedules}`,
    [now],
  )
  const [row] = answer.rows
  return { nextMs: row?.ms ?? null, waitingTypes: row?.waiting ?? [] }
}
