import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { BelfryError, show } from '../errors.ts'
import { requireWhole, type AnyJobDefinition } from '../job/definition.ts'
import { requireKey } from '../job/job-id.ts'
import { requireJobType } from '../job/job-type.ts'
import { parsePayload, serializePayload } from '../job/payload.ts'
import {
  deleteSchedule,
  lockSchedule,
  pauseSchedule,
  readNow,
  saveSchedule,
  type NewSchedule,
} from '../store/save-schedule.ts'
import { listSchedules, type ScheduleRow } from '../store/schedule-rows.ts'
import type { CatchUp } from './catch-up.ts'
import { parseRule, type RuleInput } from './rule.ts'

/** A recurring schedule: what is made, and when. */
export interface ScheduleDefinition {
  /** Yours, stable: how it is known in the database. */
  scheduleId: string
  job: string | AnyJobDefinition
  payload?: unknown
  /** Cron with 5 or 6 fields, a nickname, or `{ every: '5m' }`. */
  rule: RuleInput
  /** IANA name. Default UTC. */
  timeZone?: string
  /** Occurrences missed while no process ran: `last` (default) fires the latest once, `skip` none. */
  catchUp?: CatchUp
  /** While the last job still runs: `allow` (default) a second one, or `skip` this occurrence. */
  overlap?: 'allow' | 'skip'
  /** Retries of each job. Default: the definition's, else 3. */
  maxRetries?: number
}

/** A schedule as `getSchedules` answers it. */
export interface Schedule {
  readonly scheduleId: string
  readonly jobType: string
  readonly rule: string
  readonly timeZone: string
  readonly payload: unknown
  readonly catchUp: string
  readonly overlap: string
  readonly paused: boolean
  readonly nextOccurrence: Date | null
  readonly lastOccurrence: Date | null
  readonly firedCount: number
  readonly skippedCount: number
}

/** What applying a schedule did. */
export type AppliedSchedule = 'added' | 'changed' | 'unchanged'

/** The schedules of one scheduler: stored in the database, defined in code or at run time. */
export class Schedules {
  readonly #core: Core
  readonly #onChanged: () => void

  constructor(core: Core, onChanged: () => void) {
    this.#core = core
    this.#onChanged = onChanged
  }

  /**
   * Stores a schedule, or brings the stored one in line. An unchanged one keeps its next occurrence, so that restarts
   * shift nothing; a paused one stays paused.
   * @throws BelfryError naming the first fault; nothing is written then
   */
  async apply(definition: ScheduleDefinition): Promise<AppliedSchedule> {
    const wanted = await this.#check(definition)
    const { database, tables } = this.#core
    const applied = await database.transaction(async transaction => {
      const stored = await lockSchedule(transaction, tables, wanted.row.scheduleId)
      if (stored && isSame(stored, wanted.row)) return 'unchanged'
      const sameTimes = stored?.rule === wanted.row.rule && stored.time_zone === wanted.row.timeZone
      const now = await readNow(transaction, databaseNow(this.#core))
      const next = sameTimes && stored.next_ms !== null ? new Date(stored.next_ms) : wanted.rule.next(new Date(now))
      await saveSchedule(transaction, tables, { ...wanted.row, nextOccurrence: next?.toISOString() ?? null })
      return stored ? 'changed' : 'added'
    })
    if (applied !== 'unchanged') this.#onChanged()
    return applied
  }

  async list(): Promise<Schedule[]> {
    return (await listSchedules(this.#core.database, this.#core.tables)).map(scheduleOf)
  }

  /** False when there is none. */
  async remove(scheduleId: string): Promise<boolean> {
    return deleteSchedule(this.#core.database, this.#core.tables, requireKey(scheduleId, 'scheduleId'))
  }

  /** Pauses or resumes; a resumed schedule goes on with its next occurrence from now. False when there is none. */
  async pause(scheduleId: string, paused: boolean): Promise<boolean> {
    const { database, tables } = this.#core
    const found = await database.transaction(async transaction => {
      const stored = await lockSchedule(transaction, tables, requireKey(scheduleId, 'scheduleId'))
      if (!stored) return false
      const nextOccurrence = paused ? null : await this.#nextOf(transaction, stored)
      return pauseSchedule(transaction, tables, { scheduleId, paused, nextOccurrence })
    })
    this.#onChanged()
    return found
  }

  async #nextOf(transaction: Queryable, stored: ScheduleRow): Promise<string | null> {
    const now = new Date(await readNow(transaction, databaseNow(this.#core)))
    return parseRule(stored.rule, stored.time_zone).next(now)?.toISOString() ?? null
  }

  async #check(definition: ScheduleDefinition) {
    const { registry, options } = this.#core
    const { job, payload = {}, catchUp = 'last', overlap = 'allow' } = definition
    const known = typeof job === 'string' ? registry.findOrDefault(requireJobType(job)) : job
    const rule = parseRule(definition.rule, definition.timeZone)
    const text = serializePayload(payload, known.type, options.maxPayloadBytes)
    if (known.payload) await parsePayload(known, JSON.parse(text), known.payloadVersion)
    requireChoice(catchUp, { name: 'catchUp', of: ['last', 'skip'] })
    requireChoice(overlap, { name: 'overlap', of: ['allow', 'skip'] })
    const row = {
      scheduleId: requireKey(definition.scheduleId, 'scheduleId'),
      jobType: known.type,
      rule: rule.text,
      timeZone: rule.timeZone,
      payload: text,
      payloadVersion: known.payloadVersion,
      maxRetries: requireWhole(definition.maxRetries, { name: 'maxRetries', least: 0 }) ?? known.maxRetries ?? 3,
      overlap,
      catchUp,
    }
    return { row, rule }
  }
}

function isSame(stored: ScheduleRow, wanted: Omit<NewSchedule, 'nextOccurrence'>): boolean {
  return (
    stored.job_type === wanted.jobType &&
    stored.rule === wanted.rule &&
    stored.time_zone === wanted.timeZone &&
    canonical(stored.payload) === canonical(JSON.parse(wanted.payload)) &&
    stored.payload_version === wanted.payloadVersion &&
    stored.max_retries === wanted.maxRetries &&
    stored.overlap === wanted.overlap &&
    stored.catch_up === wanted.catchUp
  )
}

/** JSON with sorted keys: jsonb keeps no order of its own. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
}

function requireChoice(value: string, rule: { name: string; of: readonly string[] }): void {
  if (rule.of.includes(value)) return
  throw new BelfryError('BELFRY_INVALID_OPTION', `${rule.name}: expected ${rule.of.join(' or ')}, got ${show(value)}`)
}

function scheduleOf(row: ScheduleRow): Schedule {
  return {
    scheduleId: row.schedule_id,
    jobType: row.job_type,
    rule: row.rule,
    timeZone: row.time_zone,
    payload: row.payload,
    catchUp: row.catch_up,
    overlap: row.overlap,
    paused: row.paused,
    nextOccurrence: row.next_ms === null ? null : new Date(row.next_ms),
    lastOccurrence: row.last_ms === null ? null : new Date(row.last_ms),
    firedCount: row.fired_count,
    skippedCount: row.skipped_count,
  }
}
