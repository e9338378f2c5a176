import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/** What the database says of a job this runner believes to hold. */
export interface WatchedJob {
  readonly job_id: string
  readonly cancel_requested: boolean
}

/** Those of the named jobs that are still held with these tokens; a job that is missing was taken away by somebody. */
export async function watchRunning(
  database: Queryable,
  tables: Tables,
  held: readonly { jobId: string; leaseToken: string }[],
): Promise<WatchedJob[]> {
  const answer = await database.query<WatchedJob>(
    `select live.job_id, live.cancel_requested
     from unnest($1::text[], $2::uuid[]) as held(job_id, lease_token)
     join ${tables.live} live using (job_id, lease_token)`,
    [held.map(job => job.jobId), held.map(job => job.leaseToken)],
  )
  return answer.rows
}
