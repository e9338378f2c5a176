import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/** Takes its unique key from a running job, which goes on without one. The row is locked by the caller. */
export async function freeKey(transaction: Queryable, tables: Tables, jobId: string): Promise<void> {
  await transaction.query(
    `update ${tables.live} set unique_key = null where job_id = $1::text and lease_token is not null`,
    [jobId],
  )
}
