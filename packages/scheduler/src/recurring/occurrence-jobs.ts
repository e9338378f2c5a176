import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { place } from '../job/delivery.ts'
import { isEncryptedPayload } from '../job/payload-cipher.ts'
import { sealedAs, sealValue } from '../job/sealed-value.ts'
import { cancelJob } from '../store/cancel-job.ts'
import { findTakenIds, findUnfinishedOf } from '../store/find-schedule-jobs.ts'
import { insertJobs } from '../store/insert-jobs.ts'
import type { NewJob } from '../store/new-job.ts'
import type { ScheduleRow } from '../store/schedule-rows.ts'
import { occurrenceJobId } from './occurrence-id.ts'
import type { ReadSchedule } from './schedule-definition.ts'
import { spreadDelay } from '../job/spread.ts'

/** A schedule whose row is locked, and the transaction that holds it. */
export interface HeldSchedule {
  readonly core: Core
  readonly transaction: Queryable
  readonly row: ScheduleRow
  readonly read: ReadSchedule
}

/** What became of occurrences. */
export interface Made {
  /** In order; without a job when an unfinished one made the schedule skip it. */
  readonly occurrences: readonly { readonly occurrence: Date; readonly jobId: string | null }[]
  /** The one that waits for an earlier job to end. */
  readonly waiting: Date | undefined
}

/**
 * Makes occurrences into jobs, the oldest first, as the schedule's overlap policy says. One that has its job already, by
 * a backfill or since the clock was put back, is passed over in silence.
 */
export async function makeOccurrences(schedule: HeldSchedule, due: readonly Date[]): Promise<Made> {
  const occurrences: { occurrence: Date; jobId: string | null }[] = []
  let waiting: Date | undefined
  for (const { occurrence, jobId } of await withoutJob(schedule, due)) {
    if (await mayStart(schedule)) {
      await insert(schedule, [jobOf(schedule, { occurrence, jobId })])
      occurrences.push({ occurrence, jobId })
    } else if (schedule.read.overlap === 'queue') {
      if (waiting) occurrences.push({ occurrence: waiting, jobId: null })
      waiting = occurrence
    } else {
      occurrences.push({ occurrence, jobId: null })
    }
  }
  return { occurrences, waiting }
}

/** Whether overlap allows another job now; `replace` makes room for it. */
export async function mayStart({ core, transaction, row, read }: HeldSchedule): Promise<boolean> {
  if (read.overlap === 'allow') return true
  const unfinished = await findUnfinishedOf(transaction, core.tables, row.schedule_id)
  if (read.overlap !== 'replace') return unfinished.length === 0
  for (const jobId of unfinished) {
    await cancelJob(transaction, core.tables, { jobId, reason: 'replaced by a later one', now: databaseNow(core) })
  }
  return true
}

/** Makes the jobs of occurrences that have none yet, whatever the overlap policy; answers their ids. */
export async function insertMissing(schedule: HeldSchedule, occurrences: readonly Date[]): Promise<string[]> {
  const missing = await withoutJob(schedule, occurrences)
  await insert(
    schedule,
    missing.map(each => jobOf(schedule, each)),
  )
  return missing.map(each => each.jobId)
}

async function withoutJob({ core, transaction, row }: HeldSchedule, occurrences: readonly Date[]) {
  if (occurrences.length === 0) return []
  const wanted = occurrences.map(occurrence => ({ occurrence, jobId: occurrenceJobId(row.schedule_id, occurrence) }))
  const ids = wanted.map(each => each.jobId)
  const taken = new Set(await findTakenIds(transaction, core.tables, ids))
  return wanted.filter(each => !taken.has(each.jobId))
}

/** Makes a job for an instant that is no occurrence of the rule. */
export async function insertExtra(schedule: HeldSchedule, now: Date): Promise<string> {
  const jobId = schedule.core.options.newJobId(now)
  const job = { ...jobOf(schedule, { occurrence: now, jobId }), scheduledTime: now.toISOString() }
  await insert(schedule, [job])
  return job.jobId
}

async function insert({ core, transaction }: HeldSchedule, jobs: readonly NewJob[]): Promise<void> {
  if (jobs.length === 0) return
  // As for any job: one that is due within two polls may be slept past by a runner that is not told.
  const hintWithinMs = 2 * core.options.pollIntervalMs
  const request = { jobs: jobs.map(job => inWindow(core, job)), now: databaseNow(core), hintWithinMs }
  await insertJobs(transaction, core.tables, request)
}

/** As the type's delivery window wants it; what is overdue is looked at when it would start. */
function inWindow({ registry }: HeldSchedule['core'], job: NewJob): NewJob {
  const window = registry.find(job.jobType)?.window
  if (!window || job.scheduledTime === null) return job
  const wanted = Date.parse(job.scheduledTime)
  const { due, delivery } = place(window, { wanted, now: wanted, key: job.jobId, delivery: null })
  return due === wanted ? job : { ...job, scheduledTime: new Date(due).toISOString(), delivery }
}

/** An envelope goes on to the job as it is: whoever fires a schedule need not be able to read it. */
function payloadOf({ core, row }: HeldSchedule): string {
  const text = JSON.stringify(row.payload)
  if (isEncryptedPayload(row.payload)) return text
  return sealValue(core.options.payloadCipher, text, sealedAs.payload(row.job_type))
}

function jobOf(schedule: HeldSchedule, of: { occurrence: Date; jobId: string }): NewJob {
  const { row, read } = schedule
  const { occurrence, jobId } = of
  const delayMs = spreadDelay(row.schedule_id, occurrence, read.spreadMs)
  return {
    jobId,
    jobType: row.job_type,
    payload: payloadOf(schedule),
    payloadVersion: row.payload_version,
    scheduledTime: new Date(occurrence.getTime() + delayMs).toISOString(),
    delayMs: 0,
    maxRetries: row.max_retries,
    priority: read.priority,
    expireAfterMs: read.expireAfterMs ?? null,
    ...read.carried,
    scheduleId: row.schedule_id,
    occurrence: occurrence.toISOString(),
  }
}
