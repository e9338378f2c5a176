import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { BelfryError, show } from '../errors.ts'
import { requireKey } from '../job/job-id.ts'
import { openIfPossible, sealedAs } from '../job/sealed-value.ts'
import { deleteSchedules, letWait, lockSchedule, pauseSchedule, readNow } from '../store/save-schedule.ts'
import { listSchedules } from '../store/schedule-rows.ts'
import { applyChecked } from './apply-schedules.ts'
import type { InTransaction } from './in-transaction.ts'
import { requireInstant } from './instant.ts'
import { insertExtra, insertMissing, mayStart, type HeldSchedule } from './occurrence-jobs.ts'
import type { Rule } from './rule.ts'
import { scheduleOf, type AppliedSchedule, type Backfill, type Schedule, type SchedulePlan } from './schedule.ts'
import { checkSchedule, readSchedule, type CheckedSchedule, type ScheduleDefinition } from './schedule-definition.ts'

/** Occurrences of one backfill: what one statement stores well. */
const MOST_BACKFILLED = 1_000

/** How far bringing the stored schedules in line goes. */
export interface ApplySchedulesOptions extends InTransaction {
  /** true: remove schedules that came from code and are not there any more; `'all'`: also those made at run time. Default none. */
  removeOthers?: boolean | 'all'
  /** Answer the plan, change nothing. */
  dryRun?: boolean
}

/** What to backfill: both ends included, as a `Date` or ISO text. */
export interface BackfillRange {
  from: Date | string
  to: Date | string
}

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
    const wanted = [await checkSchedule(this.#core, definition)]
    const plan = await this.#change(options, inside =>
      applyChecked(this.#core, inside, { wanted, origin: 'runtime', remove: 'none', dryRun: false }),
    )
    if (plan.added.length > 0) return 'added'
    return plan.changed.length > 0 ? 'changed' : 'unchanged'
  }

  /** Stores schedules that are defined in code, and removes others if asked to. */
  async applyAll(definitions: readonly ScheduleDefinition[], options: ApplySchedulesOptions): Promise<SchedulePlan> {
    const wanted: CheckedSchedule[] = []
    for (const definition of definitions) wanted.push(await checkSchedule(this.#core, definition))
    const { removeOthers = false, dryRun = false } = options
    const remove = removeOthers === 'all' ? 'all' : removeOthers ? 'code' : 'none'
    return this.#change(options, inside => applyChecked(this.#core, inside, { wanted, origin: 'code', remove, dryRun }))
  }

  /** False when there is none. */
  remove(scheduleId: string, options: InTransaction): Promise<boolean> {
    return this.#change(options, async inside => {
      const gone = await deleteSchedules(inside, this.#core.tables, [requireKey(scheduleId, 'scheduleId')])
      return gone.length > 0
    })
  }

  /** Pauses or resumes; a resumed schedule goes on with its next occurrence from now. False when there is none. */
  pause(scheduleId: string, paused: boolean, options: InTransaction): Promise<boolean> {
    const { tables } = this.#core
    return this.#change(options, async inside => {
      const stored = await lockSchedule(inside, tables, requireKey(scheduleId, 'scheduleId'))
      if (!stored) return false
      const next = paused ? undefined : readSchedule(stored).rule.next(await this.#now(inside))
      const nextOccurrence = next?.toISOString() ?? null
      return pauseSchedule(inside, tables, { scheduleId, paused, nextOccurrence, error: null })
    })
  }

  /** Makes a job now, paused or not, as far as the overlap policy allows; answers its id, or null. */
  async trigger(scheduleId: string, options: InTransaction): Promise<string | null> {
    const made = await this.#change(options, async inside => {
      const schedule = await this.#hold(inside, scheduleId)
      const now = await this.#now(inside)
      const { job_type: jobType } = schedule.row
      if (await mayStart(schedule)) return { jobType, jobId: await insertExtra(schedule, now) }
      if (schedule.read.overlap === 'queue') {
        await letWait(inside, this.#core.tables, { scheduleId, occurrence: now.toISOString() })
      }
      return undefined
    })
    if (made) this.#tell(made.jobType, [made.jobId])
    return made?.jobId ?? null
  }

  /** Makes the jobs of past (or future) occurrences that have none, whatever the overlap policy. */
  async backfill(scheduleId: string, range: BackfillRange, options: InTransaction): Promise<Backfill> {
    const [from, to] = [requireInstant(range.from, 'from'), requireInstant(range.to, 'to')]
    const { jobType, ...backfill } = await this.#change(options, async inside => {
      const schedule = await this.#hold(inside, scheduleId)
      const occurrences = occurrencesIn(schedule.read.rule, from, to)
      const jobIds = await insertMissing(schedule, occurrences)
      return { jobType: schedule.row.job_type, jobIds, existing: occurrences.length - jobIds.length }
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

  /** In the caller's transaction, whose commit tells the runners; else in one of its own. */
  async #change<T>({ transaction }: InTransaction, work: (transaction: Queryable) => Promise<T>): Promise<T> {
    if (transaction) return work(transaction as Queryable)
    const answer = await this.#core.database.transaction(work)
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
