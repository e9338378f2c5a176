import type { Queryable } from '../database/database.ts'
import { DELIVERY_COLUMNS, type DeliveryRow } from './find-delivery.ts'
import type { Tables } from './tables.ts'

/** The unfinished job that has a unique key. */
export interface KeyHolder extends DeliveryRow {
  /** A runner holds it: it runs, or is about to. */
  readonly running: boolean
  /** A runner holds it, and it has not begun: it is not due yet. */
  readonly ahead: boolean
  readonly subjects: readonly string[] | null
  readonly payload: unknown
  readonly payload_version: number
  /** Milliseconds since 1970, as are the others. */
  readonly created_ms: number
  /** When the transaction began. */
  readonly now_ms: number
}

/** Locks the job that has a key, so that it neither starts nor ends before the transaction does; undefined: it is free. */
export async function lockHolder(
  transaction: Queryable,
  tables: Tables,
  key: { jobType: string; uniqueKey: string; now: string | null },
): Promise<KeyHolder | undefined> {
  const found = await transaction.query<KeyHolder>(
    `select ${DELIVERY_COLUMNS}, lease_token is not null as running,
       lease_token is not null and scheduled_time > coalesce($3::text::timestamptz, clock_timestamp()) as ahead,
       to_jsonb(subjects) as subjects, payload, payload_version,
       (extract(epoch from created_at) * 1000)::float8 as created_ms,
       (extract(epoch from coalesce($3::text::timestamptz, now())) * 1000)::float8 as now_ms
     from ${tables.live} where job_type = $1::text and unique_key = $2::text for update`,
    [key.jobType, key.uniqueKey, key.now],
  )
  return found.rows[0]
}
