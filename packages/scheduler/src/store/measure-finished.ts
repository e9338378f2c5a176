import type { Queryable } from '../database/database.ts'
import type { JobStatus } from '../job/job.ts'
import type { Tables } from './tables.ts'

export interface FinishedCount {
  readonly job_type: string
  readonly status: JobStatus
  readonly count: number
}

/** Attempts of the last 24 hours: those that ended by themselves, and how many of them completed. */
export interface RecentAttempts {
  readonly executions: number
  readonly completed: number
}

export interface FinishedMeasure {
  readonly counts: readonly FinishedCount[]
  readonly recent: RecentAttempts
  /** False: completed jobs and recent attempts were estimated from a sample. */
  readonly exact: boolean
}

/** Up to this size everything is counted: some 100,000 finished jobs of 300 bytes, a few tens of milliseconds. */
const COUNTED_BYTES = 32 * 1024 * 1024
/** Beyond it, this much of a table is read: some 25,000 jobs, so that a share of a tenth is right within 2 %. */
const SAMPLED_BYTES = 8 * 1024 * 1024

const ENDED = `('completed', 'failed', 'lost')`

/**
 * Finished jobs by type and status, and the attempts of the last day. A large table is not read as a whole: completed
 * jobs are then estimated from a sample of its pages, failed and cancelled ones still counted, by their index.
 */
export async function measureFinished(
  database: Queryable,
  tables: Tables,
  now: string | null,
): Promise<FinishedMeasure> {
  const [finished = 1, attempts = 1] = await sharesToRead(database, [tables.finished, tables.attempts])
  const shares = { finished, attempts }
  const counts =
    shares.finished === 1 ? await countAll(database, tables) : await estimateAll(database, tables, shares.finished)
  const recent = await countRecent(database, tables, { now, shares })
  return { counts, recent, exact: shares.finished === 1 && shares.attempts === 1 }
}

/** Which share of each table is read: 1, or of a large one as much as a sample needs. */
export async function sharesToRead(database: Queryable, names: readonly string[]): Promise<number[]> {
  const sizes = await database.query<{ bytes: number }>(
    `select pg_relation_size(name::regclass)::float8 as bytes
     from unnest($1::text[]) with ordinality as named(name, place) order by place`,
    [names],
  )
  return sizes.rows.map(({ bytes }) => (bytes <= COUNTED_BYTES ? 1 : SAMPLED_BYTES / bytes))
}

async function countAll(database: Queryable, { finished }: Tables): Promise<FinishedCount[]> {
  const counted = await database.query<FinishedCount>(
    `select job_type, status, count(*)::float8 as count from ${finished} group by job_type, status`,
  )
  return counted.rows
}

async function estimateAll(database: Queryable, { finished }: Tables, share: number): Promise<FinishedCount[]> {
  const counted = await database.query<FinishedCount>(
    `select job_type, status, count(*)::float8 as count from ${finished}
       where status in ('failed', 'cancelled') group by job_type, status
     union all
     select job_type, status, round(count(*) / $1::float8) as count from ${finished} ${sampled('$1')}
       where status = 'completed' group by job_type, status`,
    [share],
  )
  return counted.rows
}

async function countRecent(
  database: Queryable,
  { attempts, finished }: Tables,
  { now, shares }: { now: string | null; shares: { finished: number; attempts: number } },
): Promise<RecentAttempts> {
  const counted = await database.query<RecentAttempts>(
    `with moment as materialized (select coalesce($1::text::timestamptz, now()) - interval '24 hours' as since)
     select round(sum(executions))::float8 as executions, round(sum(completed))::float8 as completed from (
       select count(*) / $3::float8 as executions, 0 as completed
       from ${attempts} ${shares.attempts < 1 ? sampled('$3') : ''}
       where execution_time > (select since from moment) and status in ${ENDED}
       union all
       select count(*) / $2::float8, count(*) filter (where last_outcome = 'completed') / $2::float8
       from ${finished} ${shares.finished < 1 ? sampled('$2') : ''}
       where completed_at > (select since from moment) and execution_id is not null and last_outcome in ${ENDED}) counted`,
    [now, shares.finished, shares.attempts],
  )
  return counted.rows[0] ?? { executions: 0, completed: 0 }
}

/** The same pages each time, so that figures do not flicker. */
export function sampled(share: string): string {
  return `tablesample system (${share}::float8 * 100) repeatable (1)`
}
