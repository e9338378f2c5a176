import type { Queryable } from '../database/database.ts'
import { readyAt } from './ready-at.ts'
import type { Tables } from './tables.ts'

/** Marks claimed jobs as holders of a slot of their type and key. */
export async function admitJobs(transaction: Queryable, tables: Tables, jobIds: readonly string[]): Promise<void> {
  await transaction.query(
    `update ${tables.live} set admitted = true where job_id = any($1::text[]) and lease_token is not null`,
    [jobIds],
  )
}

/**
 * Puts jobs that were claimed in vain aside, as if they had not been claimed: until an instant, or until a job of their
 * key ends (`untilMs` null).
 */
export async function parkJobs(
  transaction: Queryable,
  tables: Tables,
  jobs: readonly { readonly jobId: string; readonly untilMs: number | null }[],
): Promise<void> {
  await transaction.query(
    `update ${tables.live} live set status = 'pending', lease_token = null, runner_id = null, attempt = attempt - 1,
       ready_at = coalesce(to_timestamp((row->>1)::float8 / 1000), 'infinity')
     from jsonb_array_elements((select $1::text)::jsonb) as row
     where live.job_id = row->>0 and live.lease_token is not null`,
    [JSON.stringify(jobs.map(each => [each.jobId, each.untilMs]))],
  )
}

/** Of each key, whether a due job waits that was due before the given instant. */
export async function keysWithEarlierJobs(
  transaction: Queryable,
  tables: Tables,
  request: { jobType: string; keys: readonly { lane: string; dueMs: number }[]; now: string | null },
): Promise<ReadonlySet<string>> {
  const found = await transaction.query<{ lane: string }>(
    `select row->>0 as lane from jsonb_array_elements((select $2::text)::jsonb) as row
     where exists (select from ${tables.live} live
       where live.job_type collate "C" = $1::text and live.lane = row->>0 and not live.admitted
         and live.lease_token is null and live.waits is null
         and live.scheduled_time < to_timestamp((row->>1)::float8 / 1000))`,
    [request.jobType, JSON.stringify(request.keys.map(each => [each.lane, each.dueMs]))],
  )
  return new Set(found.rows.map(row => row.lane))
}

/** Lets the first jobs that wait in a lane come forward, so many of each; answers how many came. */
export async function wakeLanes(
  transaction: Queryable,
  tables: Tables,
  request: { jobType: string; lanes: readonly { lane: string; most: number }[] },
): Promise<number> {
  const woken = await transaction.query<{ count: number }>(
    `with woken as (
       update ${tables.live} live set ready_at = ${readyAt('live.scheduled_time', 'live.priority')}
       from jsonb_array_elements((select $2::text)::jsonb) as row
       cross join lateral (
         select job_id from ${tables.live}
         where job_type collate "C" = $1::text and lane = row->>0 and not admitted and lease_token is null
           and ready_at = 'infinity' and waits is null
         order by scheduled_time, job_id limit (row->>1)::int) as first
       where live.job_id = first.job_id returning 1
     ) select count(*)::int as count, (select count(pg_notify($3::text, 'due')) from (select from woken limit 1) one)
     from woken`,
    [request.jobType, JSON.stringify(request.lanes.map(each => [each.lane, each.most])), tables.channel],
  )
  return woken.rows[0]?.count ?? 0
}

/** Lanes of these types in which somebody waits for a job to end. */
export async function lanesThatWait(
  database: Queryable,
  tables: Tables,
  jobTypes: readonly string[],
): Promise<{ job_type: string; lane: string }[]> {
  const found = await database.query<{ job_type: string; lane: string }>(
    `select distinct job_type, lane from ${tables.live}
     where job_type collate "C" = any($1::text[]) and lane is not null and not admitted and lease_token is null
       and ready_at = 'infinity' and waits is null
     limit 1000`,
    [jobTypes],
  )
  return found.rows
}
