import type { Queryable } from '../database/database.ts'
import { putOffUntil, readyAt } from './ready-at.ts'
import type { Tables } from './tables.ts'

/** Marks claimed jobs as holders of a slot of their type and key. */
export async function admitJobs(transaction: Queryable, tables: Tables, jobIds: readonly string[]): Promise<void> {
  await transaction.query(
    `update ${tables.live} set admitted = true where job_id = any($1::text[]) and lease_token is not null`,
    [jobIds],
  )
}

/** A job that was claimed in vain. */
export interface ParkedJob {
  readonly jobId: string
  /** Until when it stands aside; null: until a job of its key ends, or the key goes on; `in turn`: it stays where it stood. */
  readonly untilMs: number | null | 'in turn'
  /** It held its slot before the claim: a retry in strict order. */
  readonly keepsSlot: boolean
}

/** Puts jobs that were claimed in vain aside, as if they had not been claimed. */
export async function parkJobs(transaction: Queryable, tables: Tables, jobs: readonly ParkedJob[]): Promise<void> {
  await transaction.query(
    `update ${tables.live} live set status = 'pending', lease_token = null, runner_id = null, attempt = attempt - 1,
       admitted = (row->>2)::boolean,
       ready_at = case when row->>1 = 'in turn' then live.ready_at
         else coalesce(${putOffUntil("to_timestamp((nullif(row->>1, 'in turn'))::float8 / 1000)")}, 'infinity') end
     from jsonb_array_elements((select $1::text)::jsonb) as row
     where live.job_id = row->>0 and live.lease_token is not null`,
    [JSON.stringify(jobs.map(each => [each.jobId, each.untilMs, each.keepsSlot]))],
  )
}

/** Keys in which a job waits that comes before the claimed one of the key: due before it, or with it and of a lower id. */
export async function keysWithEarlierJobs(
  transaction: Queryable,
  tables: Tables,
  request: { jobType: string; firsts: readonly { readonly lane: string; readonly jobId: string }[] },
): Promise<ReadonlySet<string>> {
  const found = await transaction.query<{ lane: string }>(
    `select known.lane from unnest($2::text[], $3::text[]) as known(lane, job_id)
     join ${tables.live} claimed on claimed.job_id = known.job_id
     where exists (select from ${tables.live} live
       where live.job_type collate "C" = $1::text and live.lane = known.lane and live.admitted is not true
         and live.lease_token is null and live.waits is null and live.scheduled_time <= claimed.scheduled_time
         and (live.scheduled_time, live.job_id) < (claimed.scheduled_time, claimed.job_id))`,
    [request.jobType, request.firsts.map(each => each.lane), request.firsts.map(each => each.jobId)],
  )
  return new Set(found.rows.map(row => row.lane))
}

/** Jobs of one key brought forward at a time. */
export const MOST_WOKEN = 100

/**
 * Lets the first jobs that wait in lanes come forward: as many as their key has free slots, a hundred at most, and who
 * holds a slot already. A key that is paused stays as it is. In a `strict` order nobody comes forward whose turn it is
 * not: if the first has a time of its own (its rate's, or that of its low priority), those behind it would be claimed and
 * put aside as fast as the database answers. Answers how many came.
 */
export async function wakeLanes(
  transaction: Queryable,
  tables: Tables,
  request: { jobType: string; lanes: readonly string[]; concurrency: number | undefined; strict: boolean },
): Promise<number> {
  const woken = await transaction.query<{ count: number }>(
    `with woken as (
       update ${tables.live} live set ready_at = ${readyAt('live.scheduled_time', 'live.priority')}
       from unnest($2::text[]) as known(lane)
       cross join lateral (select case when $4::int is null then ${MOST_WOKEN}
         else least(${MOST_WOKEN}, $4::int - (select count(*) from ${tables.live} holder
           where holder.job_type collate "C" = $1::text and holder.lane = known.lane and holder.admitted)) end as most) free
       cross join lateral (
         select job_id from ${tables.live} where ${WAITS} and lane = known.lane and ready_at = 'infinity' and admitted
         union all
         select job_id from (
           select job_id, ready_at from ${tables.live}
           where ${WAITS} and lane = known.lane and (ready_at = 'infinity' or $5::boolean) and admitted is not true
             and free.most > 0
           order by scheduled_time, job_id limit greatest(free.most, 0)) next
         where ready_at = 'infinity') as first
       where live.job_id = first.job_id and not exists (select from ${tables.pauses} pause
         where pause.job_type = $1::text and pause.lane = known.lane)
       returning 1
     ) select count(*)::int as count, (select count(pg_notify($3::text, 'due')) from (select from woken limit 1) one)
     from woken`,
    [request.jobType, request.lanes, tables.channel, request.concurrency ?? null, request.strict],
  )
  return woken.rows[0]?.count ?? 0
}

const WAITS = `job_type collate "C" = $1::text and lease_token is null and waits is null`

/** Lets everybody come forward who waits in a lane of a type that is not paused: its limits are others now. Answers how many came. */
export async function releaseLanes(transaction: Queryable, tables: Tables, jobType: string): Promise<number> {
  const released = await transaction.query<{ count: number }>(
    `with released as (
       update ${tables.live} live set ready_at = ${readyAt('live.scheduled_time', 'live.priority')}
       where ${WAITS} and ${IN_LANE} and not exists (select from ${tables.pauses} pause
         where pause.job_type = $1::text and pause.lane = live.lane)
       returning 1
     ) select count(*)::int as count, (select count(pg_notify($2::text, 'due')) from (select from released limit 1) one)
     from released`,
    [jobType, tables.channel],
  )
  return released.rows[0]?.count ?? 0
}

/** It stepped aside. The first condition says the same as the second, in the words of the index that has the due jobs. */
const IN_LANE = `coalesce(ready_at, scheduled_time) = 'infinity' and ready_at = 'infinity' and lane is not null`

/** Lanes of these types in which somebody waits for a job to end. */
export async function lanesThatWait(
  database: Queryable,
  tables: Tables,
  jobTypes: readonly string[],
): Promise<{ job_type: string; lane: string }[]> {
  const found = await database.query<{ job_type: string; lane: string }>(
    `select distinct job_type, lane from ${tables.live}
     where job_type collate "C" = any($1::text[]) and lease_token is null and waits is null and ${IN_LANE}
     limit 1000`,
    [jobTypes],
  )
  return found.rows
}
