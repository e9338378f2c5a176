import type { Queryable } from '../database/database.ts'
import type { NewJob } from './new-job.ts'
import type { Tables } from './tables.ts'

/** The quoted name of the table of unique periods: keys that are taken for a time, whatever becomes of their job. */
export function periodsTable({ schema }: Pick<Tables, 'schema'>): string {
  return `${schema}.belfry_unique_periods`
}

interface PeriodRow {
  readonly job_type: string
  readonly unique_key: string
  readonly job_id: string
}

/**
 * Begins the period of every job whose key has none under way, in the order of the keys, so that two calls never wait
 * for one another; answers who holds each key now. A period whose job was cancelled is over. A row that somebody else
 * has begun and not committed is waited for.
 *
 * Keys are distinct. A key without an answer was free a moment ago and is taken away by pruning: try again.
 */
export async function beginPeriods(
  transaction: Queryable,
  tables: Tables,
  request: { jobs: readonly NewJob[]; now: string | null },
): Promise<PeriodRow[]> {
  const { jobs, now } = request
  const periods = periodsTable(tables)
  const wanted = jobs.map(job => ({
    job_type: job.jobType,
    unique_key: job.uniqueKey,
    job_id: job.jobId,
    ms: job.uniqueForMs,
    subjects: job.subjects ?? null,
  }))
  const begun = await transaction.query<PeriodRow>(
    `insert into ${periods} as period (job_type, unique_key, job_id, ends_at, subjects)
     select row->>'job_type', row->>'unique_key', row->>'job_id',
       coalesce($2::text::timestamptz, now()) + (row->>'ms')::float8 * interval '1 millisecond',
       case when row->'subjects' <> 'null' then array(select jsonb_array_elements_text(row->'subjects')) end
     from jsonb_array_elements((select $1::text)::jsonb) as row
     order by 1, 2
     on conflict (job_type, unique_key) do update
       set job_id = excluded.job_id, ends_at = excluded.ends_at, subjects = excluded.subjects
       where period.ends_at <= coalesce($2::text::timestamptz, now())
         or exists (select from ${tables.finished} ended where ended.job_id = period.job_id and ended.status = 'cancelled')
     returning job_type, unique_key, job_id`,
    [JSON.stringify(wanted), now],
  )
  if (begun.rows.length === jobs.length) return begun.rows
  const held = await transaction.query<PeriodRow>(
    `select period.job_type, period.unique_key, period.job_id
     from unnest($1::text[], $2::text[]) as wanted(job_type, unique_key)
     join ${periods} period on period.job_type = wanted.job_type and period.unique_key = wanted.unique_key`,
    [jobs.map(job => job.jobType), jobs.map(job => job.uniqueKey ?? null)],
  )
  return held.rows
}

/** Ends periods that were begun for jobs which then were not stored. */
export async function dropPeriods(transaction: Queryable, tables: Tables, jobs: readonly NewJob[]): Promise<void> {
  await transaction.query(
    `delete from ${periodsTable(tables)} period
     using unnest($1::text[], $2::text[], $3::text[]) as gone(job_type, unique_key, job_id)
     where period.job_type = gone.job_type and period.unique_key = gone.unique_key and period.job_id = gone.job_id`,
    [jobs.map(job => job.jobType), jobs.map(job => job.uniqueKey ?? null), jobs.map(job => job.jobId)],
  )
}

/**
 * Ends the periods of cancelled jobs whose rows go; `gone`: those rows. As long as they are there they say themselves that
 * their period is over.
 */
export function giveBackPeriods(tables: Tables, gone: string): string {
  return `delete from ${periodsTable(tables)} period using ${gone} where ${gone}.status = 'cancelled'
       and period.job_type = ${gone}.job_type and period.unique_key = ${gone}.unique_key and period.job_id = ${gone}.job_id`
}

/** Deletes at most `limit` periods that are over; answers how many. */
export async function prunePeriods(
  database: Queryable,
  tables: Tables,
  request: { limit: number; now: string | null },
): Promise<number> {
  const periods = periodsTable(tables)
  const pruned = await database.query<{ count: number }>(
    `with gone as (
       delete from ${periods} where ctid = any (array(
         select ctid from ${periods} where ends_at <= coalesce($2::text::timestamptz, now()) limit $1::int))
       returning 1
     ) select count(*)::int as count from gone`,
    [request.limit, request.now],
  )
  return pruned.rows[0]?.count ?? 0
}
