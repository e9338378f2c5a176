import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/** The unfinished job that has a unique key. */
export interface KeyHolder {
  readonly job_id: string
  /** A runner holds it: it runs, or is about to. */
  readonly running: boolean
  readonly payload: unknown
  readonly payload_version: number
}

/** Locks the job that has a key, so that it neither starts nor ends before the transaction does; undefined: it is free. */
export async function lockHolder(
  transaction: Queryable,
  tables: Tables,
  key: { jobType: string; uniqueKey: string },
): Promise<KeyHolder | undefined> {
  const found = await transaction.query<KeyHolder>(
    `select job_id, lease_token is not null as running, payload, payload_version from ${tables.live}
     where job_type = $1::text and unique_key = $2::text for update`,
    [key.jobType, key.uniqueKey],
  )
  return found.rows[0]
}
