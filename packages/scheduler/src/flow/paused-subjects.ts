import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import type { ClaimedJob } from '../store/claim-jobs.ts'
import { standAside } from '../store/stand-aside.ts'

/**
 * Of claimed jobs, those that may run: who is about a subject that is paused stands aside, before limits are asked. One
 * whose cancelling was asked for ends, whatever is paused.
 * @param holdsSlot whether a job held a slot of its key before it was claimed
 */
export async function withoutPaused(
  core: Core,
  database: Queryable,
  claimed: {
    readonly jobs: readonly ClaimedJob[]
    readonly leaseToken: string
    readonly holdsSlot?: (job: ClaimedJob) => boolean
  },
): Promise<readonly ClaimedJob[]> {
  const { jobs, leaseToken, holdsSlot = () => false } = claimed
  const paused = jobs.filter(isPaused)
  if (paused.length === 0) return jobs
  const ids = (some: readonly ClaimedJob[]) => some.map(job => job.job_id)
  const request = { jobIds: ids(paused), keepSlot: ids(paused.filter(holdsSlot)), leaseToken, now: databaseNow(core) }
  await standAside(database, core.tables, request)
  return jobs.filter(job => !isPaused(job))
}

function isPaused({ uncommon }: ClaimedJob): boolean {
  return uncommon !== null && uncommon.subject_paused && !uncommon.cancel_requested
}
