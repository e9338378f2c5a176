import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { BelfryError } from '../errors.ts'
import type { SchedulerEvents } from '../events.ts'
import { sleep } from '../runtime/clock.ts'
import { advanceSchedule, lockDueSchedules, scheduleOutlook } from '../store/due-schedules.ts'
import { pauseSchedule, readNow } from '../store/save-schedule.ts'
import type { ScheduleRow } from '../store/schedule-rows.ts'
import { decideFiring } from './catch-up.ts'
import { makeOccurrences } from './occurrence-jobs.ts'
import { readSchedule, type ReadSchedule } from './schedule-definition.ts'

/** Schedules fired in one transaction. */
const BATCH = 100
const SHORTEST_PAUSE_MS = 10
const ERROR_PAUSE_MS = 1_000
/** How soon it is seen that a job another process runs has ended, when an occurrence waits for that. */
const WAITING_PAUSE_MS = 1_000
/** Schedules kept read: reading one and finding its first occurrence in a zone costs some 2 ms. */
const MOST_KEPT = 1_000

type Fired = SchedulerEvents['schedule:fired']

/** What one look at a schedule came to, told once it is committed. */
type Outcome =
  | { readonly fired: readonly Fired[]; readonly jobType: string }
  | { readonly spoiled: unknown; readonly scheduleId: string }

/**
 * Turns due occurrences into jobs. However many processes run it, an occurrence fires once: the schedule's row is locked,
 * the job is stored in the very transaction that moves the row to its next occurrence, and its id is the occurrence's.
 */
export class RecurringEnqueuer {
  readonly #core: Core
  readonly #onFired: () => void
  readonly #kept = new Map<string, ReadSchedule>()
  #stop = new AbortController()
  #wake = new AbortController()
  #loop: Promise<void> = Promise.resolve()
  /** Ends listening for jobs that end; only while an occurrence waits for one, so that settling costs nothing else. */
  #unlisten: (() => void) | undefined
  #waitingTypes: ReadonlySet<string> = new Set()

  constructor(core: Core, onFired: () => void) {
    this.#core = core
    this.#onFired = onFired
  }

  start(): void {
    this.#stop = new AbortController()
    this.#loop = this.#run().finally(() => this.#listenFor([]))
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    this.wake()
    await this.#loop
  }

  /** Schedules changed: look again. */
  wake(): void {
    this.#wake.abort()
  }

  /** Fires everything that is due; answers how many occurrences became jobs. */
  async fireDue(): Promise<number> {
    const { database, tables } = this.#core
    let count = 0
    for (;;) {
      const outcomes = await database.transaction(async transaction => {
        const now = databaseNow(this.#core)
        const due = await lockDueSchedules(transaction, tables, { now, limit: BATCH })
        if (due.length === 0) return []
        const present = new Date(await readNow(transaction, now))
        const seen: Outcome[] = []
        for (const row of due) seen.push(await this.#fireOrPause(transaction, row, present))
        return seen
      })
      const jobs = outcomes.map(outcome => this.#tell(outcome)).reduce((sum, made) => sum + made, 0)
      count += jobs
      if (jobs > 0) this.#onFired()
      if (outcomes.length < BATCH) return count
    }
  }

  /** A row spoiled by hand must not stop the others: it is paused, and says why. */
  async #fireOrPause(transaction: Queryable, row: ScheduleRow, now: Date): Promise<Outcome> {
    await transaction.query('savepoint belfry_schedule')
    try {
      const fired = await this.#fire(transaction, row, now)
      await transaction.query('release savepoint belfry_schedule')
      return { fired, jobType: row.job_type }
    } catch (error) {
      if (!isRowsFault(error)) throw error
      await transaction.query('rollback to savepoint belfry_schedule')
      const change = { scheduleId: row.schedule_id, paused: true, nextOccurrence: null, error: messageOf(error) }
      await pauseSchedule(transaction, this.#core.tables, change)
      return { spoiled: error, scheduleId: row.schedule_id }
    }
  }

  async #fire(transaction: Queryable, row: ScheduleRow, now: Date): Promise<Fired[]> {
    const read = this.#read(row)
    const next = row.next_ms === null || row.next_ms === Infinity ? undefined : new Date(Math.max(row.next_ms, 0))
    const isDue = !row.paused && next !== undefined && next <= now
    const wasPutBack = !row.paused && !isDue && row.last_ms !== null && row.last_ms > now.getTime()
    const firing = isDue ? decideFiring(read.rule, read.catchUp, { due: next, now }) : undefined
    const waiting = row.waiting_ms === null ? [] : [new Date(row.waiting_ms)]
    const schedule = { core: this.#core, transaction, row, read }
    const made = await makeOccurrences(schedule, [...waiting, ...(firing?.fire ?? [])])
    const stored = row.last_ms === null || wasPutBack ? undefined : new Date(row.last_ms)
    const last = firing ? (firing.fire.at(-1) ?? next) : stored
    const following = firing ? firing.next : wasPutBack ? read.rule.next(now) : next
    const fired = made.occurrences.filter(each => each.jobId !== null).length
    await advanceSchedule(transaction, this.#core.tables, {
      scheduleId: row.schedule_id,
      lastOccurrence: last?.toISOString() ?? null,
      nextOccurrence: following?.toISOString() ?? null,
      waitingOccurrence: made.waiting?.toISOString() ?? null,
      fired,
      skipped: (firing?.skipped ?? 0) + made.occurrences.length - fired,
    })
    const missed = firing?.fire.length === 0 && next ? [{ occurrence: next, jobId: null }] : []
    return [...made.occurrences, ...missed].map(each => ({ scheduleId: row.schedule_id, ...each }))
  }

  #read(row: ScheduleRow): ReadSchedule {
    const { job_type, rule, time_zone, rule_options, catch_up, overlap, job_options } = row
    const key = JSON.stringify([job_type, rule, time_zone, rule_options, catch_up, overlap, job_options])
    const read = this.#kept.get(key) ?? readSchedule(row)
    if (this.#kept.size >= MOST_KEPT) this.#kept.clear()
    this.#kept.set(key, read)
    return read
  }

  /** Emits what happened; answers how many jobs were made. */
  #tell(outcome: Outcome): number {
    const { events } = this.#core
    if ('spoiled' in outcome) {
      events.emit('database:error', { during: `schedule ${outcome.scheduleId}, now paused`, error: outcome.spoiled })
      return 0
    }
    let made = 0
    for (const event of outcome.fired) {
      events.emit('schedule:fired', event)
      if (event.jobId === null) continue
      made += 1
      events.emit('job:scheduled', { jobId: event.jobId, jobType: outcome.jobType, conflict: false })
    }
    return made
  }

  async #run(): Promise<void> {
    const { clock, options, events } = this.#core
    while (!this.#stop.signal.aborted) {
      this.#wake = new AbortController()
      let pauseMs = ERROR_PAUSE_MS
      try {
        await this.fireDue()
        pauseMs = await this.#pause()
      } catch (error) {
        events.emit('database:error', { during: 'schedules', error })
      }
      if (this.#stop.signal.aborted) return
      if (pauseMs > 0) await sleep(clock, Math.min(pauseMs, options.pollIntervalMs), this.#wake.signal)
    }
  }

  async #pause(): Promise<number> {
    const { database, tables, options } = this.#core
    const { nextMs, waitingTypes } = await scheduleOutlook(database, tables, databaseNow(this.#core))
    // Its job may have ended before this listened: look once more.
    if (this.#listenFor(waitingTypes)) return 0
    const pauseMs = nextMs === null ? options.pollIntervalMs : Math.max(nextMs, SHORTEST_PAUSE_MS)
    return waitingTypes.length > 0 ? Math.min(pauseMs, WAITING_PAUSE_MS) : pauseMs
  }

  /** Listens for jobs of these types that end in this process; true when there is a type it did not listen for before. */
  #listenFor(jobTypes: readonly string[]): boolean {
    const isNew = jobTypes.some(type => !this.#waitingTypes.has(type))
    this.#waitingTypes = new Set(jobTypes)
    this.#unlisten?.()
    this.#unlisten =
      jobTypes.length === 0
        ? undefined
        : this.#core.events.on('job:settled', ({ jobType }) => {
            if (this.#waitingTypes.has(jobType)) this.wake()
          })
    return isNew
  }
}

/** Not the database's: what the row says cannot be used (ours), or stored (SQLSTATE classes 22 and 23). */
function isRowsFault(error: unknown): boolean {
  if (error instanceof BelfryError) return /^BELFRY_(INVALID_|PAYLOAD_TOO_LARGE)/.test(error.code)
  if (error instanceof RangeError || error instanceof TypeError) return true
  return error instanceof Error && 'code' in error && /^2[23]\w{3}$/.test(String(error.code))
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
