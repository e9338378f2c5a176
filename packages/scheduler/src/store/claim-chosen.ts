import type { Queryable } from '../database/database.ts'
import { claimedJob, inTurn, type ClaimedJob, type ClaimRequest } from './claim-jobs.ts'
import { oneMore } from './one-more.ts'
import { isNotPaused } from './pauses.ts'
import type { Tables } from './tables.ts'

/** Takes jobs that were chosen by id a moment ago, as far as they are still there to be taken. */
export async function claimChosen(
  transaction: Queryable,
  tables: Tables,
  request: Pick<ClaimRequest, 'runnerId' | 'leaseToken' | 'now' | 'admits'> & { jobIds: readonly string[] },
): Promise<ClaimedJob[]> {
  if (request.jobIds.length === 0) return []
  const { live, runners } = tables
  const claimed = await transaction.query<ClaimedJob>(
    `with moment as materialized (
       select coalesce($4::text::timestamptz, clock_timestamp()) as now
     ), me as materialized (
       select from ${runners} where runner_id = $1::uuid for key share
     ), chosen as materialized (
       select job_id from ${live} where job_id = any($3::text[]) and lease_token is null and exists (select from me)
         and scheduled_time <= (select now from moment) and ${isNotPaused(tables, 'job_type')}
       for update skip locked
     )
     update ${live} job set status = 'running', lease_token = $2::uuid, runner_id = $1::uuid,
       started_at = (select now from moment), attempt = ${oneMore('attempt')}, admitted = admitted or $5::boolean
     where job.job_id in (select job_id from chosen)
     returning ${claimedJob(tables)}`,
    [request.runnerId, request.leaseToken, request.jobIds, request.now, request.admits === true],
  )
  return inTurn(claimed.rows)
}
