import type { Queryable } from '../database/database.ts'
import { deadlineSpan } from './deadline-span.ts'
import { dependencyTable } from './dependency-table.ts'
import { DELIVERY_COLUMNS, type DeliveryRow } from './find-delivery.ts'
import { readyAt } from './ready-at.ts'
import { KEPT_COLUMNS, type Tables } from './tables.ts'

const DUE = 'greatest(live.scheduled_time, coalesce($2::text::timestamptz, clock_timestamp()))'

/** Jobs that have become due, or will. */
export interface ReadyJobs {
  readonly count: number
  /** Those that may have a delivery window. */
  readonly windowed: readonly DeliveryRow[]
}

/**
 * The answer of a statement whose rows `ready` are jobs as `DELIVERY_COLUMNS` has them.
 * @param types parameter: types that have a window
 */
export function readyAnswer(ready: string, types: string): string {
  return `(select count(*)::int from ${ready}) as count, (select coalesce(jsonb_agg(to_jsonb(each)), '[]')
     from ${ready} each where each.delivery is not null or each.job_type = any(${types})) as windowed`
}

/**
 * Lets those of the jobs go that wait for nothing any more: due now, or at their own time if that is later. A deadline
 * given as a span counts from then.
 */
export async function releaseWaiting(
  transaction: Queryable,
  tables: Tables,
  request: { jobIds: readonly string[]; windowedTypes: readonly string[]; now: string | null },
): Promise<ReadyJobs> {
  const released = await transaction.query<ReadyJobs>(
    `with released as (
       update ${tables.live} live set waits = null, scheduled_time = ${DUE}, ready_at = ${readyAt(DUE, 'live.priority')},
         expires_at = coalesce(live.expires_at,
           ${DUE} + ${deadlineSpan('live')} * interval '1 millisecond')
       where live.job_id = any($1::text[]) and live.waits and not exists (
         select from ${dependencyTable(tables)} dependency
         where dependency.child_id = live.job_id and dependency.outcome is null)
       returning ${DELIVERY_COLUMNS}
     ) select ${readyAnswer('released', '$4::text[]')},
       (select count(pg_notify($3::text, 'due')) from (select from released limit 1) one)`,
    [request.jobIds, request.now, tables.channel, request.windowedTypes],
  )
  return released.rows[0] ?? { count: 0, windowed: [] }
}

/** Cancels jobs that wait for what will not come; answers those that are awaited themselves. */
export async function cancelWaiting(
  transaction: Queryable,
  tables: Tables,
  request: { jobs: readonly { readonly jobId: string; readonly reason: string }[]; now: string | null },
): Promise<string[]> {
  const cancelled = await transaction.query<{ job_id: string }>(
    `with doomed as (
       select row->>0 as job_id, row->>1 as reason from jsonb_array_elements((select $1::text)::jsonb) as row
     ), gone as (
       delete from ${tables.live} live using doomed where live.job_id = doomed.job_id and live.waits
       returning live.*, doomed.reason
     ), kept as (
       insert into ${tables.finished} (${KEPT_COLUMNS}, status, last_outcome, completed_at, error_message)
       select ${KEPT_COLUMNS}, 'cancelled', 'cancelled', coalesce($2::text::timestamptz, clock_timestamp()), reason
       from gone
     ) select job_id::text from gone where awaited`,
    [JSON.stringify(request.jobs.map(each => [each.jobId, each.reason])), request.now],
  )
  return cancelled.rows.map(row => row.job_id)
}
