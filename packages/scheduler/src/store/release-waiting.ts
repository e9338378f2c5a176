import type { Queryable } from '../database/database.ts'
import { dependencyTable } from './dependency-table.ts'
import { readyAt } from './ready-at.ts'
import { KEPT_COLUMNS, type Tables } from './tables.ts'

const DUE = 'greatest(live.scheduled_time, coalesce($2::text::timestamptz, clock_timestamp()))'

/** Somebody may have written anything into `options`; no span is longer than a hundred thousand years. */
const EXPIRES_AFTER_MS = `case jsonb_typeof(live.options->'expire_after_ms')
  when 'number' then least(greatest((live.options->>'expire_after_ms')::numeric, 0), 3e15)::float8 end`

/**
 * Lets those of the jobs go that wait for nothing any more: due now, or at their own time if that is later. A deadline
 * given as a span counts from then. Answers how many went.
 */
export async function releaseWaiting(
  transaction: Queryable,
  tables: Tables,
  request: { jobIds: readonly string[]; now: string | null },
): Promise<number> {
  const released = await transaction.query<{ count: number }>(
    `with released as (
       update ${tables.live} live set waits = null, scheduled_time = ${DUE}, ready_at = ${readyAt(DUE, 'live.priority')},
         expires_at = coalesce(live.expires_at,
           ${DUE} + ${EXPIRES_AFTER_MS} * interval '1 millisecond')
       where live.job_id = any($1::text[]) and live.waits and not exists (
         select from ${dependencyTable(tables)} dependency
         where dependency.child_id = live.job_id and dependency.outcome is null)
       returning 1
     ) select count(*)::int as count, (select count(pg_notify($3::text, 'due')) from (select from released limit 1) one)
     from released`,
    [request.jobIds, request.now, tables.channel],
  )
  return released.rows[0]?.count ?? 0
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
