import type { Queryable } from '../database/database.ts'
import { fence, type Holder } from './fence.ts'
import type { Tables } from './tables.ts'

/**
 * Locks the row of an attempt until the transaction ends, if the attempt still has its lease; undefined when it was
 * lost. The runner's row is locked first: whoever takes back its jobs waits there, and passes none over.
 */
export async function lockAttempt(
  transaction: Queryable,
  tables: Tables,
  { jobId, leaseToken }: Holder,
): Promise<{ readonly cancel_requested: boolean } | undefined> {
  const found = await transaction.query<{ cancel_requested: boolean }>(
    `with ${fence(tables)}
     select live.cancel_requested from held join ${tables.live} live on live.job_id = held.job_id
     where live.lease_token = $2::uuid for update of live`,
    [jobId, leaseToken],
  )
  return found.rows[0]
}
