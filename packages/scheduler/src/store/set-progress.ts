import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/** Stores how far a running job is. False when its lease was lost. */
export async function setProgress(
  database: Queryable,
  tables: Tables,
  request: { jobId: string; leaseToken: string; progress: string },
): Promise<boolean> {
  const stored = await database.query<{ job_id: string }>(
    `update ${tables.live} set progress = $3::text::jsonb
     where job_id = $1::text and lease_token = $2::uuid returning job_id`,
    [request.jobId, request.leaseToken, request.progress],
  )
  return stored.rows.length > 0
}
