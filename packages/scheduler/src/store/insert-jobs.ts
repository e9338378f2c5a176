import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/** A job about to be stored. Times are ISO text. */
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
  readonly timeoutMs: number | null
  readonly uniqueKey: string | null
  readonly scheduleId?: string
  readonly occurrence?: string
}

/** What became of one row. */
export interface InsertedJob {
  readonly job_id: string
  readonly conflict: boolean
}

/**
 * Stores jobs in one statement. A row whose unique key belongs to an unfinished job is not stored; its answer carries
 * that job's id and `conflict: true`. Answers come in the order of the jobs.
 *
 * A conflicting row that was finished and left the table between the insert and the look-up has no id to answer: that
 * row is tried again, which is why this loops. Ids that are taken make the statement fail (SQLSTATE 23505).
 */
export async function insertJobs(
  database: Queryable,
  tables: Tables,
  request: { jobs: readonly NewJob[]; now: string | null; hint: boolean },
): Promise<InsertedJob[]> {
  const answers = new Map<NewJob, InsertedJob>()
  let waiting = [...request.jobs]
  while (waiting.length > 0) {
    const inserted = await insertOnce(database, tables, { ...request, jobs: waiting })
    const stored = new Set(inserted)
    for (const job of waiting) if (stored.has(job.jobId)) answers.set(job, { job_id: job.jobId, conflict: false })
    waiting = waiting.filter(job => !stored.has(job.jobId))
    if (waiting.length === 0) break
    const holders = await holdersOf(database, tables, waiting)
    for (const job of waiting) {
      const holder = holders.get(keyOf(job.jobType, job.uniqueKey))
      if (holder !== undefined) answers.set(job, { job_id: holder, conflict: true })
    }
    waiting = waiting.filter(job => !answers.has(job))
  }
  return request.jobs.flatMap(job => answers.get(job) ?? [])
}

async function insertOnce(
  database: Queryable,
  tables: Tables,
  { jobs, now, hint }: { jobs: readonly NewJob[]; now: string | null; hint: boolean },
): Promise<string[]> {
  const inserted = await database.query<{ job_id: string }>(
    `with fresh as (
       insert into ${tables.live} (job_id, job_type, payload, payload_version, scheduled_time, created_at, max_retries,
         timeout_ms, unique_key, schedule_id, occurrence)
       select job_id, job_type, payload::jsonb, payload_version,
         coalesce(scheduled_time::timestamptz,
           coalesce($11::text::timestamptz, now()) + delay_ms * interval '1 millisecond'),
         coalesce($11::text::timestamptz, now()), max_retries, timeout_ms, unique_key, schedule_id,
         occurrence::timestamptz
       from unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[], $6::int[], $7::float8[], $8::text[],
         $9::text[], $10::text[], $14::float8[])
         as job(job_id, job_type, payload, payload_version, scheduled_time, max_retries, timeout_ms, unique_key,
           schedule_id, occurrence, delay_ms)
       on conflict (job_type, unique_key) where unique_key is not null do nothing
       returning job_id
     ), hint as materialized (select pg_notify($13::text, 'due') where $12::boolean)
     select job_id from fresh left join hint on true`,
    [
      jobs.map(job => job.jobId),
      jobs.map(job => job.jobType),
      jobs.map(job => job.payload),
      jobs.map(job => job.payloadVersion),
      jobs.map(job => job.scheduledTime),
      jobs.map(job => job.maxRetries),
      jobs.map(job => job.timeoutMs),
      jobs.map(job => job.uniqueKey),
      jobs.map(job => job.scheduleId ?? null),
      jobs.map(job => job.occurrence ?? null),
      now,
      hint,
      tables.channel,
      jobs.map(job => job.delayMs),
    ],
  )
  return inserted.rows.map(row => row.job_id)
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
    [jobs.map(job => job.jobType), jobs.map(job => job.uniqueKey)],
  )
  return new Map(holders.rows.map(row => [keyOf(row.job_type, row.unique_key), row.job_id]))
}

function keyOf(jobType: string, uniqueKey: string | null): string {
  return JSON.stringify([jobType, uniqueKey])
}
