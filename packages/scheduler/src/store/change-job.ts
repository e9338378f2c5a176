import type { Queryable } from '../database/database.ts'
import type { Delivery } from '../job/delivery.ts'
import { FREED_HINT, hadItsTurn } from './freed-key.ts'
import { OPTIONS_OBJECT } from './options-object.ts'
import { readyAt } from './ready-at.ts'
import type { Tables } from './tables.ts'

const NOW = 'coalesce($9::text::timestamptz, now())'

/** The new due time. */
const DUE = `coalesce($4::text::timestamptz,
  ${NOW} + $8::float8 * interval '1 millisecond', scheduled_time)`

/** What to change; null leaves a field as it is. */
export interface JobChange {
  readonly jobId: string
  /** JSON text. */
  readonly payload: string | null
  readonly payloadVersion: number | null
  /** ISO text; wins over `delayMs`. */
  readonly scheduledTime: string | null
  /** Milliseconds from now by the database's clock. */
  readonly delayMs: number | null
  readonly now: string | null
  readonly hint: boolean
  readonly priority?: number | null
  readonly maxRetries?: number | null
  /**
   * When it may not start any more: an instant as ISO text, or milliseconds after it is due, which a job that waits for
   * others learns later. Left out: as it was.
   */
  readonly expiry?: { readonly at: string | null; readonly afterMs: number | null } | undefined
  /** What it keeps of its window; null: nothing; left out: as it is. */
  readonly delivery?: Delivery | null | undefined
  /** Whom it is about. Null or left out: as it was. */
  readonly subjects?: readonly string[] | null
}

/**
 * Changes a pending job. False when it is not pending (any more). When it is put off and its turn had come, runners are told
 * at the commit that it is somebody else's of its key.
 */
export async function changeJob(database: Queryable, tables: Tables, change: JobChange): Promise<boolean> {
  const kept = {
    ...(change.delivery !== undefined && { delivery: change.delivery ?? undefined }),
    ...(change.expiry && { expire_after_ms: change.expiry.afterMs ?? undefined }),
  }
  const changed = await database.query<{ job_id: string }>(
    `with turn as materialized (
       select ${FREED_HINT} as hint from ${tables.live}
       where job_id = $1::text and lease_token is null and ${hadItsTurn(NOW)} and ${DUE} > ${NOW}
     ), changed as (
       update ${tables.live} set payload = coalesce($2::text::jsonb, payload),
         payload_version = coalesce($3::int, payload_version),
         expires_at = case when not $13::boolean then expires_at when waits and $15::float8 is not null then null
           else coalesce($14::text::timestamptz, ${DUE} + $15::float8 * interval '1 millisecond') end,
         scheduled_time = ${DUE}, ready_at = case when ready_at = 'infinity' then ready_at
           else ${readyAt(DUE, 'coalesce($10::int, priority)')} end,
         options = case when $12::text is null then options
           else nullif((${OPTIONS_OBJECT} - $5::text[]) || $12::text::jsonb, '{}') end,
         subjects = coalesce($16::text[], subjects), priority = coalesce($10::int, priority), max_retries = coalesce($11::int, max_retries)
       where job_id = $1::text and lease_token is null returning job_id
     ), hint as materialized (select pg_notify($7::text, 'due') from changed where $6::boolean
       union all select pg_notify($7::text, turn.hint) from changed cross join turn)
     select job_id, (select count(*) from hint) as hints from changed`,
    [
      change.jobId,
      change.payload,
      change.payloadVersion,
      change.scheduledTime,
      Object.keys(kept),
      change.hint,
      tables.channel,
      change.delayMs,
      change.now,
      change.priority ?? null,
      change.maxRetries ?? null,
      Object.keys(kept).length > 0 ? JSON.stringify(kept) : null,
      change.expiry !== undefined,
      change.expiry?.at ?? null,
      change.expiry?.afterMs ?? null,
      change.subjects ?? null,
    ],
  )
  return changed.rows.length > 0
}
