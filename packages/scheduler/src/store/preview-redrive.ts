import type { Queryable } from '../database/database.ts'
import { LAST_FIRST } from './bring-back.ts'
import { Parameters, whereJobs, type JobConditions } from './job-conditions.ts'
import { REDRIVABLE } from './redrive-jobs.ts'
import type { Tables } from './tables.ts'

/** What redriving would do. */
export interface RedrivePreview {
  /** Rows that fit. */
  readonly picked: number
  /** Of those, jobs that would come back: one for each id and each unique key that is free. */
  readonly redriven: number
  /** The first of their ids. */
  readonly job_ids: string[]
}

/** Looks as `redriveBatch` does, and leaves everything where it is. */
export async function previewRedrive(
  database: Queryable,
  tables: Tables,
  request: { conditions: JobConditions; ids: number },
): Promise<RedrivePreview> {
  const parameters = new Parameters()
  const where = `${whereJobs(request.conditions, parameters)} and ${REDRIVABLE}`
  const counted = await database.query<RedrivePreview>(
    `with fitting as materialized (
       select job_id, job_type, unique_key, completed_at, execution_id from ${tables.finished} where ${where}
     ), last as (
       select distinct on (job_id) * from fitting order by job_id, ${LAST_FIRST}
     ), free as (
       select * from last
       where not exists (select from ${tables.live} live where live.job_id = last.job_id) and not exists (
         select from ${tables.live} live where live.job_type = last.job_type and live.unique_key = last.unique_key)
     ), chosen as (
       select distinct on (job_type, unique_key, case when unique_key is null then job_id end) job_id
       from free order by job_type, unique_key, case when unique_key is null then job_id end, completed_at desc
     )
     select (select count(*) from fitting)::float8 as picked, (select count(*) from chosen)::float8 as redriven,
       to_jsonb(array(select job_id::text from chosen order by job_id limit ${parameters.add(request.ids, 'int')})) as job_ids`,
    parameters.values,
  )
  return counted.rows[0] ?? { picked: 0, redriven: 0, job_ids: [] }
}
