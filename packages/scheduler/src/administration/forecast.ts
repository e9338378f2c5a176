import { databaseNow, type Core } from '../core.ts'
import { BelfryError, show } from '../errors.ts'
import { requireOptions } from '../job/known-names.ts'
import { countUpcoming } from '../store/count-upcoming.ts'
import { listRunners } from '../store/list-runners.ts'
import { readNow } from '../store/save-schedule.ts'
import { listSchedules, type ScheduleRow } from '../store/schedule-rows.ts'
import { forecastTypes, type TypeForecast } from './forecasting.ts'
import { readTypeFlows } from './type-flows.ts'
import { upcomingJobs, type UpcomingJobs } from './upcoming-jobs.ts'

/** What will run when, as things stand. */
export interface Forecast {
  readonly now: Date
  readonly types: readonly TypeForecast[]
  /** Paused schedules, which are left out. */
  readonly paused: readonly string[]
  /** Schedules that fire so often that only their first 20,000 occurrences are counted. */
  readonly cutShort: readonly string[]
  /** Schedules whose row cannot be read, and why: they are left out, and will be paused instead of firing. */
  readonly unreadable: readonly { readonly scheduleId: string; readonly error: string }[]
}

const DEFAULT_HOURS = 24
/** A week of hours is what a person reads; more is a matter of rules, which `previewOccurrences` shows. */
const MOST_HOURS = 168
const HOUR_MS = 3_600_000

/** @throws BelfryError `BELFRY_INVALID_OPTION` */
export async function readForecast(core: Core, options: { hours?: number }): Promise<Forecast> {
  const hours = requireHours(requireOptions(options, 'options').hours)
  const { database, tables } = core
  const at = databaseNow(core)
  const now = new Date(await readNow(database, at))
  const end = new Date(now.getTime() + hours * HOUR_MS)
  const pending = await countUpcoming(database, tables, { hours, now: now.toISOString() })
  const schedules = await listSchedules(database, tables)
  const runners = await listRunners(database, tables, at)
  const { upcoming, unreadable } = readUpcoming(
    core,
    schedules.filter(each => !each.paused),
    { now, end },
  )
  const jobTypes = new Set([...pending.map(each => each.job_type), ...upcoming.map(each => each.jobType)])
  const types = forecastTypes({
    now,
    hours,
    pending: pending.map(({ job_type: jobType, hour, count }) => ({ jobType, hour, count })),
    occurrences: upcoming.flatMap(({ jobType, due }) => due.map(time => ({ jobType, at: time }))),
    handled: new Set(runners.filter(runner => runner.alive).flatMap(runner => runner.job_types)),
    flows: await readTypeFlows(core, [...jobTypes]),
  })
  return {
    now,
    types,
    paused: schedules.filter(each => each.paused).map(each => each.schedule_id),
    cutShort: upcoming.filter(each => each.cutShort).map(each => each.scheduleId),
    unreadable,
  }
}

/** A row that was spoiled by hand must not hide what the others will do. */
function readUpcoming({ registry }: Core, rows: readonly ScheduleRow[], time: { now: Date; end: Date }) {
  const upcoming: UpcomingJobs[] = []
  const unreadable: { scheduleId: string; error: string }[] = []
  for (const row of rows) {
    try {
      upcoming.push(upcomingJobs(row, registry.find(row.job_type), time))
    } catch (error) {
      unreadable.push({ scheduleId: row.schedule_id, error: error instanceof Error ? error.message : String(error) })
    }
  }
  return { upcoming, unreadable }
}

function requireHours(hours: unknown = DEFAULT_HOURS): number {
  if (typeof hours === 'number' && Number.isInteger(hours) && hours >= 1 && hours <= MOST_HOURS) return hours
  throw new BelfryError(
    'BELFRY_INVALID_OPTION',
    `hours: expected a whole number from 1 to ${MOST_HOURS}, got ${show(hours)}`,
  )
}
