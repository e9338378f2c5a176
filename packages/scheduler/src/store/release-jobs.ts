import type { Queryable } from '../database/database.ts'
import { BEGUN_BEFORE, keptSlot } from './kept-slot.ts'
import type { Tables } from './tables.ts'

/**
 * Gives back claimed jobs that were never started, as if they had not been claimed: no attempt is spent or recorded.
 * Fenced by the lease token. `delayMs` keeps them out of reach for a while.
 */
export async function releaseJobs(
  database: Queryable,
  tables: Tables,
  request: {
    jobs: readonly { jobId: string; leaseToken: string }[]
    delayMs: number
    strictTypes: readonly string[]
    now: string | null
  },
): Promise<void> {
  const { jobs, delayMs, strictTypes, now } = request
  await database.query(
    `with held as (select * from unnest($1::text[], $2::uuid[]) as held(job_id, lease_token)),
     released as (
       update ${tables.live} live set status = 'pending', lease_token = null, runner_id = null,
         attempt = live.attempt - 1, admitted = ${keptSlot('$6::text[]', BEGUN_BEFORE)}, ready_at = case when $3::float8 > 0
           then coalesce($5::text::timestamptz, clock_timestamp()) + $3::float8 * interval '1 ms' else live.ready_at end
       from held where live.job_id = held.job_id and live.lease_token = held.lease_token
       returning live.job_id
     ) select pg_notify($4::text, 'due') from (select from released limit 1) as any_of_them`,
    [jobs.map(job => job.jobId), jobs.map(job => job.leaseToken), delayMs, tables.channel, now, strictTypes],
  )
}
