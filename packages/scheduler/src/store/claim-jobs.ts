import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/** A job this runner now holds under a lease. */
export interface ClaimedJob {
  readonly job_id: string
  readonly job_type: string
  readonly payload: unknown
  readonly payload_version: number
  readonly attempt: number
  readonly retry_count: number
  readonly max_retries: number
  /** Cancelling was asked for while an earlier attempt ran. */
  readonly cancel_requested: boolean
  /** Milliseconds since 1970. */
  readonly scheduled_ms: number
  readonly timeout_ms: number | null
  readonly schedule_id: string | null
  readonly occurrence_ms: number | null
}

export interface ClaimRequest {
  readonly runnerId: string
  /** New for every claim: what fences each later write. */
  readonly leaseToken: string
  readonly jobTypes: readonly string[]
  readonly limit: number
  /** ISO text, or null for the database's clock. */
  readonly now: string | null
}

/**
 * Takes due jobs, oldest due first, skipping what another runner is taking at this moment.
 *
 * The runner's own row is locked against deletion while the claim runs: a runner that was declared dead and rescued can
 * never claim under its old name, so no job is left with a holder nobody watches.
 * The join by ctid saves a look-up per row and is safe here: the rows are locked by this very statement.
 */
export async function claimJobs(database: Queryable, tables: Tables, request: ClaimRequest): Promise<ClaimedJob[]> {
  const claimed = await database.query<ClaimedJob>(
    `with me as materialized (
       select from ${tables.runners} where runner_id = $1::uuid for key share
     ), due as materialized (
       select ctid from ${tables.live}
       where scheduled_time <= coalesce($5::text::timestamptz, now()) and lease_token is null
         and job_type = any($3::text[]) and exists (select from me)
       order by scheduled_time limit $4::int for update skip locked
     )
     update ${tables.live} job set status = 'running', lease_token = $2::uuid, runner_id = $1::uuid,
       started_at = coalesce($5::text::timestamptz, clock_timestamp()), attempt = attempt + 1
     where job.ctid = any (array(select ctid from due)) and job.lease_token is null
     returning job_id, job_type, payload, payload_version, attempt, retry_count, max_retries, cancel_requested,
       (extract(epoch from scheduled_time) * 1000)::float8 as scheduled_ms, timeout_ms::float8 as timeout_ms,
       schedule_id, (extract(epoch from occurrence) * 1000)::float8 as occurrence_ms`,
    [request.runnerId, request.leaseToken, request.jobTypes, request.limit, request.now],
  )
  // UPDATE answers rows as they lie on disk.
  return claimed.rows.toSorted((a, b) => a.scheduled_ms - b.scheduled_ms)
}
