import type { Queryable } from '../database/database.ts'
import { msBetween } from './ms-between.ts'
import { isNotPaused } from './pauses.ts'
import { isNotPutOff, OF_LOW_PRIORITY } from './ready-at.ts'
import type { Tables } from './tables.ts'

/** A job that may be chosen; weight and cost as its row has them, which nobody has judged yet. */
export type QueuedJob = readonly [jobId: string, dueMs: number, weight: unknown, cost: unknown]

/** A key with due jobs. */
export interface QueuedKey {
  readonly lane: string
  /** The first of its due jobs, oldest first. */
  readonly jobs: readonly QueuedJob[]
}

/** Some keys of the ring. */
export interface KeysInTurn {
  /** Those with a free slot and due jobs, in the order of the ring. */
  readonly keys: readonly QueuedKey[]
  /** The last key that was looked at; null: the ring's end was reached. */
  readonly last: string | null
}

const JOB = `jsonb_build_array(job_id, date_part('epoch', scheduled_time) * 1000,
         coalesce(options->'weight', '1'), options->'cost')`

/**
 * The next keys of a type behind one key, at most so many, and the first due jobs of each that has a free slot. The keys
 * are found by jumping through the index from one to the next: what the long queue of a key costs is one step.
 */
export async function keysInTurn(
  transaction: Queryable,
  tables: Tables,
  request: {
    jobType: string
    after: string
    mostKeys: number
    mostJobs: number
    concurrency: number | undefined
    /** Retries hold their slot while they wait, and are no part of the queue. */
    strict: boolean
    now: string | null
  },
): Promise<KeysInTurn> {
  const { live } = tables
  const ofType = `job_type collate "C" = $1::text and lane is not null`
  const next = (after: string) => `select lane from ${live} where ${ofType} and lane > ${after} order by lane limit 1`
  const found = await transaction.query<{ lane: string; jobs: readonly QueuedJob[] | null; last: string | null }>(
    `with recursive moment as materialized (select coalesce($6::text::timestamptz, clock_timestamp()) as now),
     ring(lane, place) as (
       select (${next('$2::text collate "C"')}), 1 where ${isNotPaused(tables, '$1::text')}
       union all
       select (${next('ring.lane')}), place + 1 from ring where ring.lane is not null and place < $3::int
     )
     select ring.lane, queue.jobs, last.lane as last
     from ring
     cross join (select case when count(lane) = $3::int then max(lane) end as lane from ring) last
     left join lateral (
       select jsonb_agg(${JOB} order by scheduled_time, job_id) as jobs from (
         select job_id, scheduled_time, options, ready_at, priority from ${live}
         where ${ofType} and lane = ring.lane and lease_token is null and waits is null
           and (admitted is not true or not $7::boolean) and scheduled_time <= (select now from moment)
           -- In strict order nobody takes the turn of a first that was put off.
           and ($7::boolean or ${isNotPutOff('(select now from moment)')})
         order by scheduled_time, job_id limit greatest(0, least($4::int, $5::int - (
           select count(*) from ${live} holder
           where holder.job_type collate "C" = $1::text and holder.lane = ring.lane and holder.admitted
             and (holder.lease_token is not null or $7::boolean))))) due
         where ${isNotPutOff('(select now from moment)')}) queue
       on ring.lane is not null
     order by ring.place`,
    [
      request.jobType,
      request.after,
      request.mostKeys,
      request.mostJobs,
      request.concurrency ?? null,
      request.now,
      request.strict,
    ],
  )
  const keys = found.rows.flatMap(({ lane, jobs }) => (jobs ? [{ lane, jobs }] : []))
  return { keys, last: found.rows[0]?.last ?? null }
}

/** Rows looked at for one of interest; more is not worth the reading. */
const MOST_PASSED_OVER = 1_000

/** Keys of due jobs that hold their slot already, retries in strict order, the oldest first. Not those that are paused. */
export async function holdingJobs(
  transaction: Queryable,
  { live, pauses }: Tables,
  request: { jobType: string; now: string | null },
): Promise<readonly QueuedKey[]> {
  const found = await transaction.query<QueuedKey>(
    `with moment as materialized (select coalesce($2::text::timestamptz, clock_timestamp()) as now)
     select lane, jsonb_agg(${JOB} order by scheduled_time, job_id) as jobs from (
       select * from ${live} holder
       where job_type collate "C" = $1::text and admitted and lease_token is null and lane <> ''
         and scheduled_time <= (select now from moment) and ${isNotPutOff('(select now from moment)')}
         and not exists (select from ${pauses} pause where pause.job_type = $1::text and pause.lane = holder.lane)
       order by scheduled_time, job_id limit ${MOST_PASSED_OVER}) first
     group by lane order by min(scheduled_time), lane`,
    [request.jobType, request.now],
  )
  return found.rows
}

/** Due jobs without a key, if they are among the first in the queue, or of low priority and among the first of those. */
export async function keylessJobs(
  transaction: Queryable,
  { live }: Tables,
  request: { jobType: string; most: number; now: string | null },
): Promise<readonly QueuedJob[]> {
  const unclaimed = `job_type collate "C" = $1::text and lease_token is null`
  const found = await transaction.query<{ job: QueuedJob }>(
    `with moment as materialized (select coalesce($3::text::timestamptz, clock_timestamp()) as now)
     select ${JOB} as job from (
       (select job_id, scheduled_time, options, lane from ${live}
         where ${unclaimed} and coalesce(ready_at, scheduled_time) <= (select now from moment)
         order by coalesce(ready_at, scheduled_time) limit ${MOST_PASSED_OVER})
       union all
       (select job_id, scheduled_time, options, lane from ${live}
         where ${unclaimed} and ${OF_LOW_PRIORITY} and waits is null and scheduled_time <= (select now from moment)
           and coalesce(ready_at, scheduled_time) > (select now from moment)
         order by scheduled_time limit ${MOST_PASSED_OVER})) first
     where coalesce(lane, '') = '' and scheduled_time <= (select now from moment)
     order by scheduled_time limit $2::int`,
    [request.jobType, request.most, request.now],
  )
  return found.rows.map(row => row.job)
}

/** Milliseconds until the next job of a type that is not due yet, or was put off; null when there is none. */
export async function nextFutureInMs(
  transaction: Queryable,
  { live }: Tables,
  request: { jobType: string; now: string | null },
): Promise<number | null> {
  const found = await transaction.query<{ ms: number | null }>(
    `with moment as materialized (select coalesce($2::text::timestamptz, clock_timestamp()) as now)
     select min(${msBetween('(select now from moment)', 'future.due')}) as ms from (
       (select scheduled_time as due from (
         select scheduled_time from ${live} where job_type collate "C" = $1::text and lease_token is null
           and coalesce(ready_at, scheduled_time) <= (select now from moment)
         order by coalesce(ready_at, scheduled_time) desc limit ${MOST_PASSED_OVER}) passed_over
        where scheduled_time > (select now from moment))
       union all
       (select case when scheduled_time > (select now from moment) then scheduled_time else ready_at end
         from ${live} where job_type collate "C" = $1::text and lease_token is null
         and coalesce(ready_at, scheduled_time) > (select now from moment) and ready_at is distinct from 'infinity'
         and (scheduled_time > (select now from moment) or not (${OF_LOW_PRIORITY})) and waits is null
         order by coalesce(ready_at, scheduled_time) limit 1)) future`,
    [request.jobType, request.now],
  )
  return found.rows[0]?.ms ?? null
}
