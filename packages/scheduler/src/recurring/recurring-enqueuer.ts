import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { newJobId } from '../job/job-id.ts'
import type { SchedulerEvents } from '../events.ts'
import { sleep } from '../runtime/clock.ts'
import { advanceSchedule, lockDueSchedules, nextOccurrenceInMs } from '../store/due-schedules.ts'
import { insertJobs } from '../store/insert-jobs.ts'
import { pauseSchedule, readNow } from '../store/save-schedule.ts'
import type { ScheduleRow } from '../store/schedule-rows.ts'
import { decideFiring, type CatchUp } from './catch-up.ts'
import { parseRule } from './rule.ts'

/** Schedules fired in one transaction. */
const BATCH = 100
const SHORTEST_PAUSE_MS = 10
const ERROR_PAUSE_MS = 1_000

type Fired = SchedulerEvents['schedule:fired']

/**
 * Turns due occurrences into jobs. However many processes run it, an occurrence fires once: the schedule's row is locked,
 * and the job is stored in the very transaction that moves the row to its next occurrence.
 */
export class RecurringEnqueuer {
  readonly #core: Core
  readonly #onFired: () => void
  #stop = new AbortController()
  #wake = new AbortController()
  #loop: Promise<void> = Promise.resolve()

  constructor(core: Core, onFired: () => void) {
    this.#core = core
    this.#onFired = onFired
  }

  start(): void {
    this.#stop = new AbortController()
    this.#loop = this.#run()
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
    const { database, tables, events } = this.#core
    let count = 0
    for (;;) {
      const fired = await database.transaction(async transaction => {
        const now = databaseNow(this.#core)
        const due = await lockDueSchedules(transaction, tables, { now, limit: BATCH })
        if (due.length === 0) return []
        const present = new Date(await readNow(transaction, now))
        const outcomes: (Fired | undefined)[] = []
        for (const row of due) outcomes.push(await this.#fire(transaction, row, present))
        return outcomes
      })
      for (const event of fired) if (event) events.emit('schedule:fired', event)
      const jobs = fired.filter(event => event?.jobId).length
      count += jobs
      if (jobs > 0) this.#onFired()
      if (fired.length < BATCH) return count
    }
  }

  async #fire(transaction: Queryable, row: ScheduleRow, now: Date): Promise<Fired | undefined> {
    const { tables, events } = this.#core
    let firing: ReturnType<typeof decideFiring>
    try {
      const due = new Date(row.next_ms ?? now.getTime())
      firing = decideFiring(parseRule(row.rule, row.time_zone), row.catch_up as CatchUp, { due, now })
    } catch (error) {
      // A rule spoiled by hand must not stop the others: it is paused, and the log says why.
      events.emit('database:error', { during: `schedule ${row.schedule_id}, now paused`, error })
      await pauseSchedule(transaction, tables, { scheduleId: row.schedule_id, paused: true, nextOccurrence: null })
      return undefined
    }
    const occurrence = firing.fire ?? new Date(row.next_ms ?? now.getTime())
    const jobId = firing.fire ? await this.#insert(transaction, row, { occurrence, now }) : null
    await advanceSchedule(transaction, tables, {
      scheduleId: row.schedule_id,
      occurrence: occurrence.toISOString(),
      fired: jobId !== null,
      nextOccurrence: firing.next?.toISOString() ?? null,
    })
    return { scheduleId: row.schedule_id, occurrence, jobId }
  }

  /** The new job's id, or null when the last one is unfinished and the schedule skips then. */
  async #insert(
    transaction: Queryable,
    row: ScheduleRow,
    time: { occurrence: Date; now: Date },
  ): Promise<string | null> {
    const inserted = await insertJobs(transaction, this.#core.tables, {
      jobs: [
        {
          jobId: newJobId(time.now),
          jobType: row.job_type,
          payload: JSON.stringify(row.payload),
          payloadVersion: row.payload_version,
          scheduledTime: time.occurrence.toISOString(),
          delayMs: 0,
          maxRetries: row.max_retries,
          timeoutMs: null,
          uniqueKey: row.overlap === 'skip' ? `schedule:${row.schedule_id}` : null,
          scheduleId: row.schedule_id,
          occurrence: time.occurrence.toISOString(),
        },
      ],
      now: databaseNow(this.#core),
      hintWithinMs: 0,
    })
    const [job] = inserted.jobs
    return job && !job.conflict ? job.job_id : null
  }

  async #run(): Promise<void> {
    const { clock, database, tables, options, events } = this.#core
    while (!this.#stop.signal.aborted) {
      this.#wake = new AbortController()
      let pauseMs = ERROR_PAUSE_MS
      try {
        await this.fireDue()
        const nextMs = await nextOccurrenceInMs(database, tables, databaseNow(this.#core))
        pauseMs = nextMs === null ? options.pollIntervalMs : Math.max(nextMs, SHORTEST_PAUSE_MS)
      } catch (error) {
        events.emit('database:error', { during: 'schedules', error })
      }
      if (this.#stop.signal.aborted) return
      await sleep(clock, Math.min(pauseMs, options.pollIntervalMs), this.#wake.signal)
    }
  }
}
