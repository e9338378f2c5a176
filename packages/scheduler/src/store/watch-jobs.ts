import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/** What somebody who waits for a job learns. `marked`: its end will be told. */
export interface WatchedJob {
  readonly job_id: string
  readonly state: 'ended' | 'marked' | 'unmarked' | 'unknown'
}

/** Looks at the jobs somebody waits for, and marks those that are unfinished as awaited. Waits for nobody's lock. */
export async function watchJobs(
  database: Queryable,
  tables: Tables,
  jobIds: readonly string[],
): Promise<readonly WatchedJob[]> {
  const watched = await database.query<WatchedJob>(
    `with free as materialized (
       select job_id from ${tables.live} where job_id = any($1::text[]) and not awaited for no key update skip locked
     ), marked as (
       update ${tables.live} set awaited = true where job_id in (select job_id from free) returning job_id
     )
     select wanted.job_id, case
         when exists (select from marked where marked.job_id = wanted.job_id) or live.awaited then 'marked'
         when live.job_id is not null then 'unmarked'
         when exists (select from ${tables.finished} ended where ended.job_id = wanted.job_id) then 'ended'
         else 'unknown' end as state
     from unnest($1::text[]) as wanted(job_id) left join ${tables.live} live on live.job_id = wanted.job_id`,
    [jobIds],
  )
  return watched.rows
}
