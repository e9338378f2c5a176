import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/** A job about to be stored. Times are ISO text; what is left out is stored as null. */
export interface NewJob {
  readonly jobId: string
  readonly jobType: string
  /** JSON text. */
  readonly payload: string
  readonly payloadVersion: number
  /** ISO text, or null for `delayMs` from now by the database's clock. */
  readonly scheduledTime: string | null
  readonly delayMs: number
  readonly maxRetries: number
  readonly timeoutMs?: number | null
  readonly uniqueKey?: string | null
  readonly scheduleId?: string | null
  readonly occurrence?: string | null
  readonly priority?: number
  readonly subjects?: readonly string[] | null
  readonly tags?: readonly string[] | null
  /** JSON text. */
  readonly metadata?: string | null
  /** Store it as claimed by the runner of the request. */
  readonly claim?: boolean
}

/** What became of one row. */
export interface InsertedJob {
  readonly job_id: string
  readonly conflict: boolean
  /** Stored as claimed by the runner named in the request. */
  readonly claimed: boolean
}

/** The runner that inserts due jobs it will run itself: they are stored as claimed, one statement instead of two. */
export interface InsertingRunner {
  readonly runnerId: string
  readonly leaseToken: string
}

export interface InsertRequest {
  readonly jobs: readonly NewJob[]
  readonly now: string | null
  /** Tell other runners, if a job is due within this many milliseconds that nobody claimed; null: tell nobody. */
  readonly hintWithinMs: number | null
  /** Holder of the jobs marked `claim`. One that was declared dead meanwhile stores them as pending. */
  readonly claimFor?: InsertingRunner | undefined
}

/** What a statement stored. */
export interface Inserted {
  /** In the order of the jobs. */
  readonly jobs: readonly InsertedJob[]
  /** Milliseconds until the first of those that were left pending is due; null when none was. */
  readonly nextDueMs: number | null
}

/**
 * Stores jobs in one statement. A row whose unique key belongs to an unfinished job is not stored; its answer carries
 * that job's id and `conflict: true`. Answers come in the order of the jobs.
 *
 * A conflicting row that was finished and left the table between the insert and the look-up has no id to answer: that
 * row is tried again, which is why this loops. Ids that are taken make the statement fail (SQLSTATE 23505).
 */
export async function insertJobs(database: Queryable, tables: Tables, request: InsertRequest): Promise<Inserted> {
  const answers = new Map<NewJob, InsertedJob>()
  let nextDueMs: number | null = null
  let waiting: readonly NewJob[] = request.jobs
  while (waiting.length > 0) {
    const inserted = await insertOnce(database, tables, { ...request, jobs: waiting })
    if (inserted.next_due_ms !== null) nextDueMs = Math.min(nextDueMs ?? inserted.next_due_ms, inserted.next_due_ms)
    const stored = inserted.stored && new Set(inserted.stored)
    for (const job of waiting) {
      if (stored && !stored.has(job.jobId)) continue
      answers.set(job, { job_id: job.jobId, conflict: false, claimed: inserted.claimed && job.claim === true })
    }
    waiting = stored ? waiting.filter(job => !stored.has(job.jobId)) : []
    if (waiting.length === 0) break
    const holders = await holdersOf(database, tables, waiting)
    for (const job of waiting) {
      const holder = holders.get(keyOf(job.jobType, job.uniqueKey ?? null))
      if (holder !== undefined) answers.set(job, { job_id: holder, conflict: true, claimed: false })
    }
    waiting = waiting.filter(job => !answers.has(job))
  }
  return { jobs: request.jobs.flatMap(job => answers.get(job) ?? []), nextDueMs }
}

interface InsertRow {
  /** Null: all of them. */
  readonly stored: string[] | null
  readonly claimed: boolean
  readonly next_due_ms: number | null
}

async function insertOnce(
  database: Queryable,
  { live, runners, channel }: Tables,
  { jobs, now, hintWithinMs, claimFor }: InsertRequest,
): Promise<InsertRow> {
  const answer = await database.query<InsertRow>(
    `with moment as materialized (
       select coalesce($2::text::timestamptz, now()) as now, coalesce($2::text::timestamptz, clock_timestamp()) as clock
     ), me as materialized (
       select runner_id from ${runners} where runner_id = $5::text::uuid for key share
     ), fresh as (
       insert into ${live} (${COLUMNS}, status, attempt, started_at, lease_token, runner_id)
       select job_id, job_type, payload, coalesce(payload_version, 1), ${DUE}, moment.now, max_retries, timeout_ms,
         unique_key, schedule_id, occurrence, coalesce(priority, 0), ${readyAt(DUE, 'priority')}, subjects, tags,
         metadata, case when ${HELD} then 'running' else 'pending' end, case when ${HELD} then 1 else 0 end,
         case when ${HELD} then moment.clock end, case when ${HELD} then $6::text::uuid end,
         case when ${HELD} then me.runner_id end
       from moment left join me on true, json_to_recordset($1::text::json) as job(job_id text, job_type text,
         payload jsonb, payload_version int, scheduled_time timestamptz, delay_ms float8, max_retries int,
         timeout_ms bigint, unique_key text, schedule_id text, occurrence timestamptz, priority int, subjects text[],
         tags text[], metadata jsonb, claim boolean)
       on conflict (job_type, unique_key) where unique_key is not null do nothing
       returning job_id, scheduled_time, lease_token
     ), ahead as (
       select count(*) as count, date_part('epoch', min(scheduled_time) filter (where lease_token is null)
         - (select clock from moment)) * 1000 as next_due_ms from fresh
     ), hint as materialized (select pg_notify($4::text, 'due') from ahead where next_due_ms <= $3::float8)
     select case when ahead.count < $7::int then array(select job_id::text from fresh) end as stored,
       exists (select from me) as claimed, next_due_ms, (select count(*) from hint) as hints
     from ahead`,
    [jsonOf(jobs), now, hintWithinMs, channel, claimFor?.runnerId ?? null, claimFor?.leaseToken ?? null, jobs.length],
  )
  return answer.rows[0] ?? { stored: [], claimed: false, next_due_ms: null }
}

/** Stored as claimed. */
const HELD = '(claim and me.runner_id is not null)'
const DUE = `coalesce(scheduled_time, moment.now + coalesce(delay_ms, 0) * interval '1 millisecond')`
const COLUMNS = `job_id, job_type, payload, payload_version, scheduled_time, created_at, max_retries, timeout_ms,
  unique_key, schedule_id, occurrence, priority, ready_at, subjects, tags, metadata`

/** Seconds by which one point of priority moves a job ahead in its type's queue (or behind, below zero). */
const SECONDS_PER_POINT = 10

/** Null for jobs without a priority: they stand in the index at their due time. */
export function readyAt(due: string, priority: string): string {
  return `case when ${priority} <> 0 then ${due} - ${priority} * interval '${SECONDS_PER_POINT} seconds' end`
}

/** Nothing that needs more than the plainest INSERT. */
export function isPlain(job: NewJob): boolean {
  return (
    !job.claim &&
    job.uniqueKey == null &&
    job.scheduleId == null &&
    job.timeoutMs == null &&
    !job.priority &&
    job.subjects == null &&
    job.tags == null &&
    job.metadata == null
  )
}

/** Stores one job that `isPlain` and of which nobody needs to be told: half the planning of the statement above. */
export async function insertPlainJob(database: Queryable, { live }: Tables, job: NewJob): Promise<void> {
  await database.query(
    `insert into ${live} (job_id, job_type, payload, payload_version, max_retries, scheduled_time)
     values ($1::text, $2::text, $3::text::jsonb, $4::int, $5::int,
       coalesce($6::text::timestamptz, now() + $7::float8 * interval '1 millisecond'))`,
    [job.jobId, job.jobType, job.payload, job.payloadVersion, job.maxRetries, job.scheduledTime, job.delayMs],
  )
}

/** One JSON array for the whole statement: columns that a job does not use cost it nothing. */
function jsonOf(jobs: readonly NewJob[]): string {
  const rows = jobs.map(job => {
    const { payload, metadata } = job
    // Both are JSON text already; writing them out again would cost more than the rest of the row.
    const row = JSON.stringify({
      job_id: job.jobId,
      job_type: job.jobType,
      payload_version: job.payloadVersion === 1 ? undefined : job.payloadVersion,
      scheduled_time: job.scheduledTime ?? undefined,
      delay_ms: job.delayMs || undefined,
      max_retries: job.maxRetries,
      timeout_ms: job.timeoutMs ?? undefined,
      unique_key: job.uniqueKey ?? undefined,
      schedule_id: job.scheduleId ?? undefined,
      occurrence: job.occurrence ?? undefined,
      priority: job.priority || undefined,
      subjects: job.subjects ?? undefined,
      tags: job.tags ?? undefined,
      claim: job.claim || undefined,
    })
    return `${row.slice(0, -1)},"payload":${payload}${metadata ? `,"metadata":${metadata}` : ''}}`
  })
  return `[${rows.join(',')}]`
}

async function holdersOf(
  database: Queryable,
  tables: Tables,
  jobs: readonly NewJob[],
): Promise<ReadonlyMap<string, string>> {
  const holders = await database.query<{ job_id: string; job_type: string; unique_key: string }>(
    `select live.job_id, live.job_type, live.unique_key
     from unnest($1::text[], $2::text[]) as wanted(job_type, unique_key)
     join ${tables.live} live on live.job_type = wanted.job_type and live.unique_key = wanted.unique_key`,
    [jobs.map(job => job.jobType), jobs.map(job => job.uniqueKey ?? null)],
  )
  return new Map(holders.rows.map(row => [keyOf(row.job_type, row.unique_key), row.job_id]))
}

function keyOf(jobType: string, uniqueKey: string | null): string {
  return JSON.stringify([jobType, uniqueKey])
}
