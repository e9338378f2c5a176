import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { BelfryError, show } from '../errors.ts'
import { actorOf } from '../job/actor.ts'
import { requireKey } from '../job/job-id.ts'
import { requireOptions } from '../job/known-names.ts'
import { openIfPossible, sealedAs } from '../job/sealed-value.ts'
import { writeAudit, type WriteNote } from '../store/audit.ts'
import { deleteSchedules, letWait, lockSchedule, pauseSchedule, readNow } from '../store/save-schedule.ts'
import { listSchedules } from '../store/schedule-rows.ts'
import { applyChecked } from './apply-schedules.ts'
import type { ApplySchedulesOptions, BackfillRange, InTransaction } from './call-options.ts'
import { requireInstant } from './instant.ts'
import { insertExtra, insertMissing, mayStart, type HeldSchedule } from './occurrence-jobs.ts'
import type { Rule } from './rule.ts'
import {
  inShort,
  scheduleOf,
  type AppliedSchedule,
  type Backfill,
  type Schedule,
  type SchedulePlan,
} from './schedule.ts'
import { checkSchedule, readSchedule, type CheckedSchedule, type ScheduleDefinition } from './schedule-definition.ts'

/** Occurrences of one backfill: what one statement stores well. */
const MOST_BACKFILLED = 1_000

/** The schedules of one scheduler: stored in the database, defined in code or at run time. */
export class Schedules {
  readonly #core: Core
  readonly #onChanged: () => void

  constructor(core: Core, onChanged: () => void) {
    this.#core = core
    this.#onChanged = onChanged
  }

  async list(): Promise<Schedule[]> {
    const { database, tables, options } = this.#core
    return (await listSchedules(database, tables)).map(row => ({
      ...scheduleOf(row),
      payload: openIfPossible(options.payloadCipher, row.payload, sealedAs.payload(row.job_type)),
    }))
  }

  /** Stores one schedule, or brings the stored one in line. */
  async apply(definition: ScheduleDefinition, options: InTransaction): Promise<AppliedSchedule> {
    const wanted = [await checkSchedule(this.#core, requireOptions(definition, 'schedule'))]
    const plan = await this.#change(options, (inside, note) =>
      applyChecked(this.#core, inside, { wanted, origin: 'runtime', remove: 'none', dryRun: false, note }),
    )
    if (plan.added.length > 0) return 'added'
    return plan.changed.length > 0 ? 'changed' : 'unchanged'
  }

  /** Stores schedules that are defined in code, and removes others if asked to. */
  async applyAll(
    definitions: readonly ScheduleDefinition[],
    options: ApplySchedulesOptions = {},
  ): Promise<SchedulePlan> {
    if (!Array.isArray(definitions)) {
      throw new BelfryError('BELFRY_INVALID_OPTION', `schedules: expected a list of them, got ${show(definitions)}`)
    }
    const wanted: CheckedSchedule[] = []
    for (const definition of definitions) {
      wanted.push(await checkSchedule(this.#core, requireOptions(definition, 'schedule')))
    }
    const { removeOthers = false, dryRun = false } = options
    const remove = removeOthers === 'all' ? 'all' : removeOthers ? 'code' : 'none'
    return this.#change(options, (inside, note) =>
      applyChecked(this.#core, inside, { wanted, origin: 'code', remove, dryRun, note }),
    )
  }

  /** False when there is none. */
  remove(scheduleId: string, options: InTransaction): Promise<boolean> {
    return this.#change(options, async (inside, note) => {
      const [gone] = await deleteSchedules(inside, this.#core.tables, [requireKey(scheduleId, 'scheduleId')])
      if (gone) await note({ action: 'remove_schedule', target: scheduleId, detail: inShort(gone) })
      return gone !== undefined
    })
  }

  /**
   * Pauses or resumes; a resumed schedule goes on with its next occurrence from now. One that is what it shall be stays as
   * it is: what it has missed is still to be made up for, and nothing was done. False when there is none.
   */
  pause(scheduleId: string, paused: boolean, options: InTransaction): Promise<boolean> {
    const { tables } = this.#core
    return this.#change(options, async (inside, note) => {
      const stored = await lockSchedule(inside, tables, requireKey(scheduleId, 'scheduleId'))
      if (!stored) return false
      // One that an error has paused is paused by hand from now on: applying it does not resume it.
      if (stored.paused === paused && stored.error_message === null) return true
      const next = paused ? undefined : readSchedule(stored).rule.next(await this.#now(inside))
      const nextOccurrence = next?.toISOString() ?? null
      await pauseSchedule(inside, tables, { scheduleId, paused, nextOccurrence, error: null })
      const action = paused ? 'pause_schedule' : 'resume_schedule'
      await note({ action, target: scheduleId, detail: paused ? {} : { nextOccurrence } })
      return true
    })
  }

  /** Makes a job now, paused or not, as far as the overlap policy allows; answers its id, or null. */
  async trigger(scheduleId: string, options: InTransaction): Promise<string | null> {
    const { jobType, jobId } = await this.#change(options, async (inside, note) => {
      const schedule = await this.#hold(inside, scheduleId)
      const now = await this.#now(inside)
      const made = (await mayStart(schedule)) ? await insertExtra(schedule, now) : null
      if (made === null && schedule.read.overlap === 'queue') {
        await letWait(inside, this.#core.tables, { scheduleId, occurrence: now.toISOString() })
      }
      await note({ action: 'trigger_schedule', target: scheduleId, detail: { jobId: made } })
      return { jobType: schedule.row.job_type, jobId: made }
    })
    if (jobId !== null) this.#tell(jobType, [jobId])
    return jobId
  }

  /** Makes the jobs of past (or future) occurrences that have none, whatever the overlap policy. */
  async backfill(scheduleId: string, range: BackfillRange, options: InTransaction): Promise<Backfill> {
    const { from: first, to: last } = requireOptions(range, 'range')
    const [from, to] = [requireInstant(first, 'from'), requireInstant(last, 'to')]
    const { jobType, ...backfill } = await this.#change(options, async (inside, note) => {
      const schedule = await this.#hold(inside, scheduleId)
      const occurrences = occurrencesIn(schedule.read.rule, from, to)
      const jobIds = await insertMissing(schedule, occurrences)
      const existing = occurrences.length - jobIds.length
      const ends = { from: new Date(from).toISOString(), to: new Date(to).toISOString() }
      await note({
        action: 'backfill_schedule',
        target: scheduleId,
        detail: { ...ends, made: jobIds.length, existing },
      })
      return { jobType: schedule.row.job_type, jobIds, existing }
    })
    this.#tell(jobType, backfill.jobIds)
    return backfill
  }

  #tell(jobType: string, jobIds: readonly string[]): void {
    for (const jobId of jobIds) this.#core.events.emit('job:scheduled', { jobId, jobType, conflict: false })
  }

  async #hold(transaction: Queryable, scheduleId: string): Promise<HeldSchedule> {
    const row = await lockSchedule(transaction, this.#core.tables, requireKey(scheduleId, 'scheduleId'))
    if (row) return { core: this.#core, transaction, row, read: readSchedule(row) }
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `scheduleId: expected one of a stored schedule, got ${show(scheduleId)}. getSchedules() lists them.`,
    )
  }

  async #now(transaction: Queryable): Promise<Date> {
    return new Date(await readNow(transaction, databaseNow(this.#core)))
  }

  /** In the caller's transaction, whose commit tells the runners; else in one of its own. Notes are part of it. */
  async #change<T>(options: InTransaction, work: (transaction: Queryable, note: WriteNote) => Promise<T>): Promise<T> {
    const { database, tables } = this.#core
    const actor = actorOf(options)
    const noted = (inside: Queryable) =>
      work(inside, note => writeAudit(inside, tables, { ...note, actor, now: databaseNow(this.#core) }))
    if (options.transaction) return noted(options.transaction as Queryable)
    const answer = await database.transaction(noted)
    this.#onChanged()
    return answer
  }
}

/** Both ends included. */
function occurrencesIn(rule: Rule, from: number, to: number): Date[] {
  const occurrences: Date[] = []
  for (let at = rule.next(new Date(from - 1)); at && at.getTime() <= to; at = rule.next(at)) {
    if (occurrences.length === MOST_BACKFILLED) {
      throw new BelfryError(
        'BELFRY_INVALID_OPTION',
        `backfill: expected at most ${MOST_BACKFILLED} occurrences at once; the ${MOST_BACKFILLED + 1}th is at ` +
          `${at.toISOString()}. Take a shorter range.`,
      )
    }
    occurrences.push(at)
  }
  return occurrences
}
