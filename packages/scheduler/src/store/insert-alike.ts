import type { Queryable } from '../database/database.ts'
import { arrayText } from './array-text.ts'
import { keepingPlan } from './keeping-plan.ts'
import { isPlain, type InsertingRunner, type NewJob } from './new-job.ts'
import { isNotPaused } from './pauses.ts'
import type { Tables } from './tables.ts'

/** Jobs with nothing but the columns every job has, which differ in id and payload only. A plain job alone is such a list. */
export function areAlike(jobs: readonly NewJob[]): boolean {
  const [first] = jobs
  return first !== undefined && jobs.every(job => isPlain(job) && isLike(job, first))
}

function isLike(job: NewJob, other: NewJob): boolean {
  return (
    job.jobType === other.jobType &&
    job.payloadVersion === other.payloadVersion &&
    job.maxRetries === other.maxRetries &&
    job.scheduledTime === other.scheduledTime &&
    job.delayMs === other.delayMs &&
    job.claim === other.claim
  )
}

interface AlikeRequest {
  readonly jobs: readonly NewJob[]
  /** Tell other runners. */
  readonly hint: boolean
  /** Holder of the jobs, if they are marked `claim`. */
  readonly claimFor: InsertingRunner | undefined
}

/**
 * Stores jobs that are alike: all, or none when `claimFor` was declared dead or their type is paused.
 *
 * What they share is sent once, which spares the server a quarter of the work for a thousand jobs, and for a job alone, in
 * an idle process whose caches are cold, 0.3 ms of the call's 1.4.
 */
export async function insertAlike(database: Queryable, tables: Tables, request: AlikeRequest): Promise<'all' | 'none'> {
  const { jobs, hint, claimFor } = request
  const [job] = jobs
  if (!job) return 'all'
  const values: unknown[] = [
    arrayText(jobs.map(each => each.jobId)),
    `[${jobs.map(each => each.payload).join(',')}]`,
    job.jobType,
    job.payloadVersion,
    job.maxRetries,
    job.scheduledTime,
    job.delayMs,
  ]
  if (claimFor) values.push(claimFor.runnerId, claimFor.leaseToken)
  else if (hint) values.push(tables.channel)
  const stored = await keepingPlan(database, statement(tables, { hint, claims: claimFor !== undefined }), values)
  return claimFor && stored.rows.length === 0 ? 'none' : 'all'
}

function statement(tables: Tables, { hint, claims }: { hint: boolean; claims: boolean }): string {
  const { live, runners } = tables
  const insert = `insert into ${live} (job_id, job_type, payload, payload_version, max_retries, scheduled_time, created_at
       ${claims ? ', status, attempt, runner_id, started_at, lease_token' : ''})
     select id, $3::text, payload, $4::int, $5::int,
       coalesce($6::text::timestamptz, now() + $7::float8 * interval '1 millisecond'), now()
       ${claims ? `, 'running', 1, me.runner_id, clock_timestamp(), $9::text::uuid` : ''}
     from rows from (unnest($1::text::text[]), jsonb_array_elements($2::text::jsonb)) as job(id, payload)`
  if (claims) {
    return `with me as materialized (
       select runner_id from ${runners} where runner_id = $8::text::uuid and ${isNotPaused(tables, '$3::text')} for key share
     ), stored as (${insert} cross join me)
     select from me`
  }
  if (hint) return `with hint as materialized (select pg_notify($8::text, 'due')) ${insert} cross join hint`
  return insert
}
