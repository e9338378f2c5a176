import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { cancelJob, type CancelResult } from '../store/cancel-job.ts'
import { redriveJob } from '../store/redrive-job.ts'

interface ActingRunner {
  abort(jobId: string): void
  wake(): void
}

/** Cancels one job; when it runs here its handler is told at once. */
export async function cancelOne(
  core: Core,
  runner: ActingRunner,
  act: { jobId: string; reason?: string; transaction?: unknown },
): Promise<CancelResult> {
  const { jobId, reason = 'cancelled', transaction } = act
  const queryable = (transaction as Queryable | undefined) ?? core.database
  const result = await cancelJob(queryable, core.tables, { jobId, reason, now: databaseNow(core) })
  if (result === 'requested') runner.abort(jobId)
  return result
}

/** Gives one finished job a new life. */
export async function redriveOne(core: Core, runner: ActingRunner, jobId: string): Promise<boolean> {
  const redriven = await redriveJob(core.database, core.tables, { jobId, now: databaseNow(core) })
  if (redriven) runner.wake()
  return redriven
}
