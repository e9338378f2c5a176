import type { Queryable } from '../database/database.ts'
import { areAlike, insertAlike } from './insert-alike.ts'
import { keepingPlan } from './keeping-plan.ts'
import { isPlain, type InsertingRunner, type NewJob } from './new-job.ts'
import { isNotPaused, isSubjectPaused } from './pauses.ts'
import { readyAt } from './ready-at.ts'
import type { Tables } from './tables.ts'

/** What became of one row. */
export interface InsertedJob {
  readonly job_id: string
  readonly conflict: boolean
  /** Stored as claimed by the runner named in the request. */
  readonly claimed: boolean
}

export interface InsertRequest {
  readonly jobs: readonly NewJob[]
  readonly now: string | null
  /** Tell other runners, if a job is due within this many milliseconds that nobody claimed; null: tell nobody. */
  readonly hintWithinMs: number | null
  /** Holder of the jobs marked `claim`. One that was declared dead meanwhile stores them as pending. */
  readonly claimFor?: InsertingRunner | undefined
  /** Nobody asks when the first of them is due. */
  readonly dueIsNoMatter?: boolean
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
  const alike = await insertedAlike(database, tables, request)
  if (alike) return alike
  const answers = new Map<NewJob, InsertedJob>()
  let nextDueMs: number | null = null
  let waiting: readonly NewJob[] = inKeyOrder(request.jobs)
  while (waiting.length > 0) {
    const inserted = await insertOnce(database, tables, { ...request, jobs: waiting })
    if (inserted.next_due_ms !== null) nextDueMs = Math.min(nextDueMs ?? inserted.next_due_ms, inserted.next_due_ms)
    const stored = inserted.stored && new Set(inserted.stored)
    const held = new Set(inserted.held)
    for (const job of waiting) {
      if (stored && !stored.has(job.jobId)) continue
      answers.set(job, { job_id: job.jobId, conflict: false, claimed: held.has(job.jobId) })
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

/**
 * Two transactions that want the same keys in opposite order wait for each other until the database ends one of them:
 * everybody takes keys in one order. Jobs without a key stay where they are, before the others.
 */
export function inKeyOrder(jobs: readonly NewJob[]): readonly NewJob[] {
  if (!jobs.some(job => job.uniqueKey != null)) return jobs
  const places = jobs.map(job => ({ job, place: job.uniqueKey == null ? '' : keyOf(job.jobType, job.uniqueKey) }))
  return places.toSorted((a, b) => (a.place < b.place ? -1 : a.place > b.place ? 1 : 0)).map(each => each.job)
}

/** Undefined: they are not alike, or something has to be asked of the database's clock; nothing was stored. */
async function insertedAlike(
  database: Queryable,
  tables: Tables,
  { jobs, now, hintWithinMs, claimFor, dueIsNoMatter }: InsertRequest,
): Promise<Inserted | undefined> {
  const [first] = jobs
  if (!first || now !== null || !areAlike(jobs)) return undefined
  // When an instant comes is known to the database alone.
  if (first.scheduledTime !== null && !(dueIsNoMatter && hintWithinMs === null)) return undefined
  const claimed = first.claim === true && claimFor !== undefined
  const hint = hintWithinMs !== null && first.delayMs <= hintWithinMs
  const stored = await insertAlike(database, tables, { jobs, hint, claimFor: claimed ? claimFor : undefined })
  if (stored === 'none') return undefined
  return {
    jobs: jobs.map(({ jobId }) => ({ job_id: jobId, conflict: false, claimed })),
    nextDueMs: claimed || first.scheduledTime !== null ? null : first.delayMs,
  }
}

interface InsertRow {
  /** Null: all of them. */
  readonly stored: string[] | null
  /** Stored as claimed; null when nobody asked for that. */
  readonly held: string[] | null
  readonly next_due_ms: number | null
}

async function insertOnce(
  database: Queryable,
  tables: Tables,
  { jobs, now, hintWithinMs, claimFor }: InsertRequest,
): Promise<InsertRow> {
  const { live, runners, channel } = tables
  const uncommon = !jobs.every(isPlain)
  const answer = await keepingPlan<InsertRow>(
    database,
    `with moment as materialized (
       select coalesce($2::text::timestamptz, now()) as now, coalesce($2::text::timestamptz, clock_timestamp()) as clock
     ), me as materialized (
       select runner_id from ${runners} where runner_id = $5::text::uuid for key share
     ), job as (
       select row->>0 as job_id, row->>1 as job_type, row->2 as payload, (row->>3)::int as payload_version,
         coalesce((row->>4)::timestamptz, moment.now + (row->>5)::float8 * interval '1 ms') as due,
         (row->>6)::int as max_retries, case when (row->>7)::boolean and ${isNotPaused(tables, 'row->>1')}
           ${uncommon ? `and not ${isSubjectPaused(tables, textArray('row->8', 'subjects'))}` : ''} then me.runner_id end as held_by,
         row->8 as more
       from jsonb_array_elements((select $1::text)::jsonb) as row, moment left join me on true
     ), fresh as (
       insert into ${live} (job_id, job_type, payload, payload_version, scheduled_time, max_retries, created_at, status,
         attempt, runner_id, started_at, lease_token ${uncommon ? UNCOMMON_COLUMNS : ''})
       select job_id, job_type, payload, payload_version, due, max_retries, moment.now,
         case when held_by is null then 'pending' else 'running' end, (held_by is not null)::int, held_by,
         case when held_by is not null then moment.clock end,
         case when held_by is not null then $6::text::uuid end ${uncommon ? UNCOMMON_VALUES : ''}
       from job, moment
       ${uncommon ? 'on conflict (job_type, unique_key) where unique_key is not null do nothing' : ''}
       returning job_id, scheduled_time, lease_token
     ), ahead as (
       select count(*) as count, date_part('epoch', min(scheduled_time) filter (where lease_token is null)
         - (select clock from moment)) * 1000 as next_due_ms from fresh
     ), hint as materialized (select pg_notify($4::text, 'due') from ahead where next_due_ms <= $3::float8)
     select case when ahead.count < $7::int then array(select job_id::text from fresh) end as stored,
       case when $5::text is not null then array(select job_id::text from fresh where lease_token is not null) end as held,
       next_due_ms, (select count(*) from hint) as hints
     from ahead`,
    [
      `[${jobs.map(rowOf).join(',')}]`,
      now,
      hintWithinMs,
      channel,
      claimFor?.runnerId ?? null,
      claimFor?.leaseToken ?? null,
      jobs.length,
    ],
  )
  return answer.rows[0] ?? { stored: [], held: null, next_due_ms: null }
}

const UNCOMMON_COLUMNS = `, timeout_ms, unique_key, schedule_id, occurrence, priority, ready_at, subjects, tags,
         metadata, expires_at, lane, options, awaited, waits`
const UNCOMMON_VALUES = `, (more->>'timeout_ms')::bigint, more->>'unique_key', more->>'schedule_id',
         (more->>'occurrence')::timestamptz, coalesce((more->>'priority')::int, 0),
         case when more->'waits' is not null then 'infinity' else ${readyAt('due', `(more->>'priority')::int`)} end,
         ${textArray('more', 'subjects')}, ${textArray('more', 'tags')}, more->'metadata',
         coalesce((more->>'expires_at')::timestamptz, due + (more->>'expire_after_ms')::float8 * interval '1 ms'),
         more->>'lane', more->'options', coalesce((more->>'awaited')::boolean, false), (more->>'waits')::boolean`

/** Null where there is none. */
function textArray(more: string, key: string): string {
  return `case when ${more}->'${key}' is not null then array(select jsonb_array_elements_text(${more}->'${key}')) end`
}

/**
 * A row of the statement's one JSON array. From arrays of their own (`unnest`) or named columns
 * (`json_to_recordset`) the same rows cost a third to a half more.
 */
function rowOf(job: NewJob): string {
  const { payload, scheduledTime } = job
  // The payload is JSON text already; writing it out again would cost more than the rest of the row.
  const row =
    `[${JSON.stringify(job.jobId)},${JSON.stringify(job.jobType)},${payload},${job.payloadVersion},` +
    `${scheduledTime === null ? 'null' : `"${scheduledTime}"`},${job.delayMs},${job.maxRetries},${job.claim === true}`
  if (isPlain(job)) return `${row}]`
  const more = JSON.stringify({
    timeout_ms: job.timeoutMs ?? undefined,
    unique_key: job.uniqueKey ?? undefined,
    schedule_id: job.scheduleId ?? undefined,
    occurrence: job.occurrence ?? undefined,
    priority: job.priority || undefined,
    subjects: job.subjects ?? undefined,
    tags: job.tags ?? undefined,
    metadata: job.metadata ?? undefined,
    expires_at: job.expiresAt ?? undefined,
    expire_after_ms: job.waits ? undefined : (job.expireAfterMs ?? undefined),
    lane: job.lane ?? undefined,
    options: optionsOf(job),
    awaited: job.awaited || undefined,
    waits: job.waits || undefined,
  })
  return `${row},${more}]`
}

/**
 * What has no column of its own: few of the few have it. The span of a deadline is kept for whoever learns later when the
 * job is due: when one that waits is let go, when it is put off, when it runs once more.
 */
function optionsOf(job: NewJob): Readonly<Record<string, unknown>> | undefined {
  const { weight, cost, name, expiresAt, expireAfterMs, delivery, backoff, maxLost } = job
  const options = {
    weight: weight ?? undefined,
    cost: cost ?? undefined,
    name,
    expire_after_ms: expiresAt == null ? (expireAfterMs ?? undefined) : undefined,
    delivery: delivery ?? undefined,
    backoff: backoff ?? undefined,
    max_lost: maxLost ?? undefined,
  }
  return Object.values(options).some(value => value !== undefined) ? options : undefined
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
