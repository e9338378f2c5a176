import type { ScheduleRow } from '../store/schedule-rows.ts'
import type { CatchUp } from './catch-up.ts'
import type { RuleBounds } from './rule.ts'
import type { StoredJobOptions } from './schedule-definition.ts'

/** A schedule as `getSchedules` answers it, as it is stored. */
export interface Schedule {
  readonly scheduleId: string
  readonly jobType: string
  readonly rule: string
  readonly timeZone: string
  /** Bounds of the rule, `dst` when it is not `once`, and `spreadMs` when there is a spread. */
  readonly ruleOptions: Readonly<RuleBounds & { dst?: string; spreadMs?: number }>
  readonly payload: unknown
  /** What its jobs carry, as far as it was given: `timeout` (ms), `concurrencyKey`, `weight`, `cost`, `subjects`, `tags`, `metadata`. */
  readonly jobOptions: StoredJobOptions
  readonly catchUp: CatchUp
  readonly overlap: string
  /** `code`: from the `schedules` option or `applySchedules`; `runtime`: from `applySchedule`. */
  readonly origin: string
  readonly paused: boolean
  /** Why it was paused, when its row could not be used. */
  readonly errorMessage: string | null
  readonly nextOccurrence: Date | null
  readonly lastOccurrence: Date | null
  /** The occurrence that waits for an earlier job to end. */
  readonly waitingOccurrence: Date | null
  readonly firedCount: number
  /** Occurrences without a job: missed, or passed over for an unfinished one. Of one downtime at most 1,000 count. */
  readonly skippedCount: number
}

/** What applying a schedule did. */
export type AppliedSchedule = 'added' | 'changed' | 'unchanged'

/** What bringing the stored schedules in line does, by schedule id. */
export interface SchedulePlan {
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
  readonly unchanged: readonly string[]
}

/** What a backfill made. */
export interface Backfill {
  /** The jobs that were made, by occurrence. */
  readonly jobIds: readonly string[]
  /** Occurrences that had their job before. */
  readonly existing: number
}

/** A stored row as people read it. */
export function scheduleOf(row: ScheduleRow): Schedule {
  return {
    scheduleId: row.schedule_id,
    jobType: row.job_type,
    rule: row.rule,
    timeZone: row.time_zone,
    ruleOptions: row.rule_options as Schedule['ruleOptions'],
    payload: row.payload,
    jobOptions: row.job_options as StoredJobOptions,
    catchUp: row.catch_up as CatchUp,
    overlap: row.overlap,
    origin: row.origin,
    paused: row.paused,
    errorMessage: row.error_message,
    nextOccurrence: dateOf(row.next_ms),
    lastOccurrence: dateOf(row.last_ms),
    waitingOccurrence: dateOf(row.waiting_ms),
    firedCount: row.fired_count,
    skippedCount: row.skipped_count,
  }
}

/** What the audit says of a stored schedule: what it makes, and when. */
export function inShort(row: Pick<ScheduleRow, 'job_type' | 'rule' | 'time_zone'>) {
  return { jobType: row.job_type, rule: row.rule, timeZone: row.time_zone }
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms)
}
