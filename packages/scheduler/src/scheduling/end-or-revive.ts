import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { cancelJob, type CancelResult } from '../store/cancel-job.ts'
import { redriveJob } from '../store/redrive-job.ts'
import type { ScheduleOptions } from './schedule-options.ts'

/** The runner of this process: told at once what others hear by NOTIFY. */
interface LocalRunner {
  wake(): void
  abort(jobId: string): void
}

/** How to cancel one job. */
export interface CancelOptions {
  /** Kept as its error message. Default `cancelled`. */
  readonly reason?: string
  readonly transaction?: ScheduleOptions['transaction']
}

/** Cancels a job; a running one of this process is aborted at once. */
export async function cancelOne(
  core: Core,
  runner: LocalRunner,
  { jobId, reason = 'cancelled', transaction }: CancelOptions & { jobId: string },
): Promise<CancelResult> {
  const queryable = (transaction ?? core.database) as Queryable
  const result = await cancelJob(queryable, core.tables, { jobId, reason, now: databaseNow(core) })
  if (result === 'requested') runner.abort(jobId)
  return result
}

/** Gives a failed or cancelled job a new life. */
export async function redriveOne(core: Core, runner: LocalRunner, jobId: string): Promise<boolean> {
  const redriven = await redriveJob(core.database, core.tables, { jobId, now: databaseNow(core) })
  if (redriven) runner.wake()
  return redriven
}
