import { databaseNow, type Core } from '../core.ts'
import { BelfryError, show } from '../errors.ts'
import { placeInWindow } from '../job/delivery-window.ts'
import { parseRule } from '../recurring/rule.ts'
import { countUpcoming } from '../store/count-upcoming.ts'
import { listRunners } from '../store/list-runners.ts'
import { readNow } from '../store/save-schedule.ts'
import { listSchedules, type ScheduleRow } from '../store/schedule-rows.ts'
import { forecastTypes, type TypeForecast } from './forecasting.ts'

/** What will run when, as things stand. */
export interface Forecast {
  readonly now: Date
  readonly types: readonly TypeForecast[]
  /** Paused schedules, which are left out. */
  readonly paused: readonly string[]
  /** Schedules that fire so often that only their first 20,000 occurrences are counted. */
  readonly cutShort: readonly string[]
}

const DEFAULT_HOURS = 24
/** A week of hours is what a person reads; more is a matter of rules, which `previewOccurrences` shows. */
const MOST_HOURS = 168
/** Finding one occurrence of a cron rule takes some 10 µs: 20,000 of them a fifth of a second. */
const MOST_OCCURRENCES = 20_000
const HOUR_MS = 3_600_000

/** @throws BelfryError `BELFRY_INVALID_OPTION` */
export async function readForecast(core: Core, options: { hours?: number }): Promise<Forecast> {
  const hours = requireHours(options.hours)
  const { database, tables } = core
  const at = databaseNow(core)
  const now = new Date(await readNow(database, at))
  const end = new Date(now.getTime() + hours * HOUR_MS)
  const pending = await countUpcoming(database, tables, { hours, now: now.toISOString() })
  const schedules = await listSchedules(database, tables)
  const runners = await listRunners(database, tables, at)
  const active = schedules.filter(each => !each.paused)
  const upcoming = active.map(row => ({ row, times: occurrencesOf(row, end) }))
  const types = forecastTypes({
    now,
    hours,
    pending: pending.map(({ job_type: jobType, hour, count }) => ({ jobType, hour, count })),
    occurrences: upcoming.flatMap(({ row, times }) =>
      times.map(time => ({ jobType: row.job_type, at: inWindow(core, row.job_type, time) })),
    ),
    handled: new Set(runners.filter(runner => runner.alive).flatMap(runner => runner.job_types)),
    startsPerHour: NO_LIMITS,
  })
  return {
    now,
    types,
    paused: schedules.filter(each => each.paused).map(each => each.schedule_id),
    cutShort: upcoming.filter(each => each.times.length === MOST_OCCURRENCES).map(each => each.row.schedule_id),
  }
}

/** When an occurrence starts if its type has a delivery window. */
function inWindow({ registry }: Core, jobType: string, at: Date): Date {
  const window = registry.find(jobType)?.window
  if (!window) return at
  return new Date(placeInWindow(window, { wanted: at.getTime(), now: at.getTime(), key: jobType }))
}

/** No limit over all processes is known yet. */
const NO_LIMITS: ReadonlyMap<string, number> = new Map()

/** From the stored next one on: what was missed fires once, at the next look. */
function occurrencesOf(row: ScheduleRow, end: Date): Date[] {
  if (row.next_ms === null) return []
  const rule = parseRule(row.rule, row.time_zone)
  const times: Date[] = []
  for (
    let next: Date | undefined = new Date(row.next_ms);
    next && next < end && times.length < MOST_OCCURRENCES;
    next = rule.next(next)
  ) {
    times.push(next)
  }
  return times
}

function requireHours(hours: unknown = DEFAULT_HOURS): number {
  if (typeof hours === 'number' && Number.isInteger(hours) && hours >= 1 && hours <= MOST_HOURS) return hours
  throw new BelfryError(
    'BELFRY_INVALID_OPTION',
    `hours: expected a whole number from 1 to ${MOST_HOURS}, got ${show(hours)}`,
  )
}
