import type { Core } from '../core.ts'
import { BelfryError } from '../errors.ts'
import { wakeFreed } from '../flow/wake-freed.ts'
import { actorOf, type ActorOption } from '../job/actor.ts'
import { requireReason } from '../job/reason.ts'
import { parseDuration, type Duration } from '../runtime/duration.ts'
import { requireTime } from '../scheduling/check-job.ts'
import type { AuditAction } from '../store/audit.ts'
import { previewJobs, type BulkBatch, type BulkRequest } from '../store/bulk-batch.ts'
import { awaitLeftOver, cancelBatch, CANCELLABLE } from '../store/cancel-jobs.ts'
import { deleteBatch } from '../store/delete-jobs.ts'
import type { JobConditions } from '../store/job-conditions.ts'
import { POSTPONABLE, postponeBatch } from '../store/postpone-jobs.ts'
import { previewRedrive } from '../store/preview-redrive.ts'
import { REDRIVABLE, redriveBatch } from '../store/redrive-jobs.ts'
import type { Queryable } from '../database/database.ts'
import { BulkPass, FIRST_IDS, untilNow } from './bulk-act.ts'
import { checkActingFilter, type JobFilter } from './job-filter.ts'

/** The runner in this process: told at once what others hear by NOTIFY. */
export interface LocalRunner {
  wake(): void
  abort(jobId: string): void
  /** Jobs were deleted that others may wait for. */
  lookAfter(deleted: true): void
}

/** Options of every act on many jobs. */
export interface ActOptions extends ActorOption {
  /** Answers what would happen, and does nothing. Default false. */
  readonly dryRun?: boolean
}

/** What every act on many jobs answers. */
export interface ActResult {
  readonly dryRun: boolean
  /** The first ids, at most ten. */
  readonly jobIds: readonly string[]
}

/** How to cancel. */
export interface CancelJobsOptions extends ActOptions {
  /** Kept as the jobs' error message. Default `cancelled`. */
  readonly reason?: string
}

/** What cancelling did, or would do. */
export interface CancelJobsResult extends ActResult {
  /** Pending jobs that never start. */
  readonly cancelled: number
  /** Running jobs that were asked to stop. */
  readonly requested: number
}

/** What redriving did, or would do. */
export interface RedriveJobsResult extends ActResult {
  readonly redriven: number
  /** Left as they are: another job has their unique key, or comes back with it. */
  readonly skipped: number
}

/** What deleting did, or would do. */
export interface DeleteJobsResult extends ActResult {
  readonly deleted: number
}

/** To an instant, or by a span: from when a job is due, or from now if that is later. */
export type Postponement = { readonly to: Date; readonly by?: never } | { readonly by: Duration; readonly to?: never }

/** What postponing did, or would do. */
export interface PostponeJobsResult extends ActResult {
  readonly postponed: number
}

/**
 * Cancels every unfinished job that fits: pending ones never start, running ones are asked to stop. Batch by batch; what
 * is made after the call began is left alone.
 */
export async function cancelJobs(
  core: Core,
  filter: JobFilter,
  options: CancelJobsOptions & { runner: LocalRunner },
): Promise<CancelJobsResult> {
  const reason = requireReason(options.reason)
  const conditions = await untilNow(core, checkActingFilter(filter))
  const from = core.tables.live
  if (options.dryRun) {
    const preview = await previewJobs(core.database, { from, conditions, extra: CANCELLABLE, ids: FIRST_IDS })
    return { dryRun: true, cancelled: preview.pending, requested: preview.running, jobIds: preview.job_ids }
  }
  const done = { cancelled: 0, requested: 0 }
  const jobIds: string[] = []
  const pass = new BulkPass(core, {
    ...noted(options, 'cancel_jobs'),
    conditions,
    detail: { reason },
    step: (transaction, request) => cancelBatch(transaction, core.tables, { ...request, reason, ids: FIRST_IDS }),
    counts: () => done,
    committed: async ({ freed }) => {
      await wakeFreed(core, freed)
      if (freed.length > 0) options.runner.wake()
    },
  })
  do {
    await pass.run(batch => {
      done.cancelled += batch.cancelled
      done.requested += batch.requested.length
      jobIds.push(...batch.job_ids.slice(0, FIRST_IDS - jobIds.length))
      for (const jobId of batch.requested) options.runner.abort(jobId)
    })
  } while (await awaitLeftOver(core.database, core.tables, conditions))
  return { dryRun: false, ...done, jobIds }
}

/** Gives every failed or cancelled job that fits a new life, due now, with all its retries. */
export async function redriveJobs(
  core: Core,
  filter: JobFilter,
  options: ActOptions & { runner: LocalRunner },
): Promise<RedriveJobsResult> {
  const { changed, jobIds, picked, dryRun } = await actOnRows(core, filter, {
    ...noted(options, 'redrive_jobs'),
    dryRun: options.dryRun === true,
    from: core.tables.finished,
    extra: REDRIVABLE,
    detail: {},
    step: (transaction, request) => redriveBatch(transaction, core.tables, request),
    preview: async conditions => {
      const request = { conditions, ids: FIRST_IDS }
      const { picked: found, redriven, job_ids: ids } = await previewRedrive(core.database, core.tables, request)
      return { picked: found, changed: redriven, jobIds: ids }
    },
    idsOf: batch => batch.redriven,
    name: 'redriven',
  })
  if (!dryRun) options.runner.wake()
  return { dryRun, redriven: changed, skipped: picked - changed, jobIds }
}

/** Deletes every finished job that fits, with its attempts and logs. Unfinished ones stay: cancel them first. */
export async function deleteJobs(
  core: Core,
  filter: JobFilter,
  options: ActOptions & { runner: LocalRunner },
): Promise<DeleteJobsResult> {
  const { changed, jobIds, dryRun } = await actOnRows(core, filter, {
    ...noted(options, 'delete_jobs'),
    dryRun: options.dryRun === true,
    from: core.tables.finished,
    extra: 'true',
    detail: {},
    step: (transaction, request) => deleteBatch(transaction, core.tables, request),
    idsOf: batch => batch.deleted,
    name: 'deleted',
  })
  if (changed > 0 && !dryRun) options.runner.lookAfter(true)
  return { dryRun, deleted: changed, jobIds }
}

/** Moves the due time of every pending job that fits. Deadlines (`expiresAt`) stay where they are. */
export async function postponeJobs(
  core: Core,
  filter: JobFilter,
  options: ActOptions & { when: Postponement; runner: LocalRunner },
): Promise<PostponeJobsResult> {
  const { to, byMs } = checkPostponement(options.when)
  const { changed, jobIds, dryRun } = await actOnRows(core, filter, {
    ...noted(options, 'postpone_jobs'),
    dryRun: options.dryRun === true,
    from: core.tables.live,
    extra: POSTPONABLE,
    detail: to === null ? { byMs } : { to },
    step: (transaction, request) => postponeBatch(transaction, core.tables, { ...request, to, byMs }),
    idsOf: batch => batch.postponed,
    name: 'postponed',
    committed: ({ freed }) => wakeFreed(core, freed),
  })
  if (!dryRun) options.runner.wake()
  return { dryRun, postponed: changed, jobIds }
}

/** What a pass, or its preview, came to. */
interface Found {
  /** Rows that fit. */
  readonly picked: number
  /** Jobs it did something to. */
  readonly changed: number
  /** The first of their ids. */
  readonly jobIds: readonly string[]
}

/** One pass, or its preview. */
export async function actOnRows<Batch extends BulkBatch>(
  core: Core,
  filter: JobFilter,
  act: {
    actor: string
    action: AuditAction
    dryRun: boolean
    from: string
    extra: string
    detail: Readonly<Record<string, unknown>>
    step(transaction: Queryable, request: BulkRequest): Promise<Batch>
    /** What a dry run answers, where not every row that fits is one that would change. */
    readonly preview?: (conditions: JobConditions) => Promise<Found>
    readonly idsOf: (batch: Batch) => readonly string[]
    /** The count's name in the audit. */
    name: string
    /** What is left to do when a batch is committed. */
    committed?(batch: Batch): Promise<void>
  },
): Promise<Found & { dryRun: boolean }> {
  const { dryRun, from, extra, preview, idsOf, name } = act
  const conditions: JobConditions = await untilNow(core, checkActingFilter(filter))
  if (dryRun && preview) return { dryRun, ...(await preview(conditions)) }
  if (dryRun) {
    const rows = await previewJobs(core.database, { from, conditions, extra, ids: FIRST_IDS })
    const count = rows.pending + rows.finished
    return { dryRun, changed: count, picked: count, jobIds: rows.job_ids }
  }
  const done = { picked: 0, count: 0 }
  const jobIds: string[] = []
  const pass = new BulkPass(core, { ...act, conditions, counts: () => ({ [name]: done.count }) })
  await pass.run(batch => {
    const ids = idsOf(batch)
    done.picked += batch.picked
    done.count += ids.length
    jobIds.push(...ids.slice(0, FIRST_IDS - jobIds.length))
  })
  return { dryRun, changed: done.count, picked: done.picked, jobIds }
}

export function noted(options: ActorOption, action: AuditAction): { actor: string; action: AuditAction } {
  return { actor: actorOf(options), action }
}

function checkPostponement(when: unknown): { to: string | null; byMs: number } {
  const { to, by } = (typeof when === 'object' && when !== null ? when : {}) as { to?: Date; by?: Duration }
  if ((to === undefined) === (by === undefined)) {
    throw new BelfryError('BELFRY_INVALID_TIME', 'postpone: expected { to: Date } or { by: duration }, one of the two')
  }
  return by === undefined ? { to: requireTime(to, 'to'), byMs: 0 } : { to: null, byMs: parseDuration(by, 'by') }
}
