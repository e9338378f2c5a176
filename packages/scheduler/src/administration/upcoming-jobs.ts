import type { AnyJobDefinition } from '../job/definition.ts'
import { placeInWindow } from '../job/delivery-window.ts'
import { spreadDelay } from '../job/spread.ts'
import { decideFiring } from '../recurring/catch-up.ts'
import { occurrenceJobId } from '../recurring/occurrence-id.ts'
import { readSchedule, type ReadSchedule } from '../recurring/schedule-definition.ts'
import type { ScheduleRow } from '../store/schedule-rows.ts'

/** Finding one occurrence of a cron rule takes some 10 µs: 20,000 of them a fifth of a second. */
export const MOST_OCCURRENCES = 20_000

/** Jobs that one schedule will make. */
export interface UpcomingJobs {
  readonly scheduleId: string
  readonly jobType: string
  /** When they are due, by the rule that fires them, with spread and delivery window. */
  readonly due: readonly Date[]
  /** There are more: it fires so often that only the first 20,000 were counted. */
  readonly cutShort: boolean
}

/**
 * What a stored schedule will make until `end`: what it missed as far as it catches up, then what comes.
 * @throws BelfryError, RangeError or TypeError, as firing does, when the row cannot be read
 */
export function upcomingJobs(
  row: ScheduleRow,
  definition: AnyJobDefinition | undefined,
  time: { now: Date; end: Date },
): UpcomingJobs {
  const read = readSchedule(row)
  const occurrences = occurrencesOf(row, read, time)
  const window = definition?.window
  const due = occurrences.map(occurrence => {
    const wanted = occurrence.getTime() + spreadDelay(row.schedule_id, occurrence, read.spreadMs)
    if (!window) return new Date(wanted)
    const key = occurrenceJobId(row.schedule_id, occurrence)
    return new Date(placeInWindow(window, { wanted, now: Math.max(wanted, time.now.getTime()), key }))
  })
  const cutShort = occurrences.length >= MOST_OCCURRENCES
  return { scheduleId: row.schedule_id, jobType: row.job_type, due, cutShort }
}

function occurrencesOf(row: ScheduleRow, { rule, catchUp }: ReadSchedule, { now, end }: { now: Date; end: Date }) {
  if (row.next_ms === null || row.next_ms === Infinity) return []
  const stored = new Date(Math.max(row.next_ms, 0))
  const missed = stored <= now ? decideFiring(rule, catchUp, { due: stored, now }) : undefined
  const times = [...(missed?.fire ?? [])]
  for (
    let next = missed ? missed.next : stored;
    next && next < end && times.length < MOST_OCCURRENCES;
    next = rule.next(next)
  ) {
    times.push(next)
  }
  return times
}
