import type { Queryable } from '../database/database.ts'
import { deadlineSpan } from './deadline-span.ts'
import { DELIVERY_COLUMNS } from './find-delivery.ts'
import { OPTIONS_OBJECT } from './options-object.ts'
import { readyAt } from './ready-at.ts'
import { readyAnswer, type ReadyJobs } from './release-waiting.ts'
import type { Tables } from './tables.ts'

/** A call that found its unique key taken, and wants the job of that key to run once more. */
export interface RerunRequest {
  /** The job that has the key. */
  readonly jobId: string
  /** JSON text. */
  readonly payload: string
  readonly payloadVersion: number
  /** ISO text; wins over `delayMs`. */
  readonly scheduledTime: string | null
  readonly delayMs: number
  readonly now: string | null
}

/**
 * A pending job takes over the payload. A running one remembers it, the newest one only, and runs once more when it has
 * ended. One statement: whatever the job is doing when its row is reached is what counts. False when it has ended.
 */
export async function requestRerun(transaction: Queryable, tables: Tables, request: RerunRequest): Promise<boolean> {
  const { jobId, payload, payloadVersion, scheduledTime, delayMs, now } = request
  const asked = await transaction.query(
    `update ${tables.live} set awaited = awaited or lease_token is not null,
       payload = case when lease_token is null then $2::text::jsonb else payload end,
       payload_version = case when lease_token is null then $3::int else payload_version end,
       options = case when lease_token is null then nullif(${OPTIONS_OBJECT} - 'rerun', '{}')
         else ${OPTIONS_OBJECT} || jsonb_build_object('rerun', jsonb_build_object('payload', $2::text::jsonb,
           'version', $3::int, 'due_ms', (extract(epoch from coalesce($4::text::timestamptz,
             coalesce($6::text::timestamptz, now()) + $5::float8 * interval '1 millisecond')) * 1000)::bigint)) end
     where job_id = $1::text returning job_id`,
    [jobId, payload, payloadVersion, scheduledTime, delayMs, now],
  )
  return asked.rows.length > 0
}

/**
 * Stores the run that was asked for while these jobs ran, with what they were made of and the newest payload. If another
 * job has the key by now it was made later, and is that run. A deadline given as a span counts from the new due time. Of a
 * wish that somebody has changed by hand what can be read counts: it must not hold up the others, nor be lost.
 */
export async function storeReruns(
  transaction: Queryable,
  tables: Tables,
  request: {
    jobs: readonly { readonly endedId: string; readonly jobId: string }[]
    windowedTypes: readonly string[]
    now: string | null
  },
): Promise<ReadyJobs> {
  const due = `greatest(coalesce($2::text::timestamptz, clock_timestamp()),
         to_timestamp(${numberOf('due_ms', { least: 0, most: LATEST_MS })}::float8 / 1000))`
  const stored = await transaction.query<ReadyJobs>(
    `with fresh as (
       insert into ${tables.live} (job_id, job_type, payload, payload_version, scheduled_time, created_at, ready_at,
         max_retries, unique_key, timeout_ms, priority, lane, expires_at, subjects, tags, metadata, options)
       select row->>1, job_type, coalesce(options->'rerun'->'payload', payload),
         coalesce(${numberOf('version', { least: 1, most: 2_147_483_647 })}::int, payload_version), ${due},
         coalesce($2::text::timestamptz, clock_timestamp()), ${readyAt(due, 'priority')}, max_retries, unique_key,
         timeout_ms, priority, lane, ${due} + ${deadlineSpan('ended')} * interval '1 millisecond', subjects, tags, metadata,
         nullif(options - 'rerun' - 'name', '{}')
       from jsonb_array_elements((select $1::text)::jsonb) as row
       join ${tables.finished} ended on ended.job_id = row->>0
       where ended.options->'rerun' is not null and ended.awaited and ended.status <> 'cancelled'
       on conflict (job_type, unique_key) where unique_key is not null do nothing
       returning ${DELIVERY_COLUMNS}
     ) select ${readyAnswer('fresh', '$4::text[]')},
       (select count(pg_notify($3::text, 'due')) from (select from fresh limit 1) one)`,
    [
      JSON.stringify(request.jobs.map(each => [each.endedId, each.jobId])),
      request.now,
      tables.channel,
      request.windowedTypes,
    ],
  )
  return stored.rows[0] ?? { count: 0, windowed: [] }
}

/** The last instant of the year 9999. */
const LATEST_MS = 253_402_300_799_999

/** Expression for a number of the wish; null when it is none. */
function numberOf(field: string, { least, most }: { least: number; most: number }): string {
  const value = `ended.options->'rerun'->'${field}'`
  return `case when jsonb_typeof(${value}) = 'number' then least(greatest((${value})::numeric, ${least}), ${most}) end`
}
