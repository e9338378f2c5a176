import type { Queryable } from '../database/database.ts'
import type { JobStatus } from '../job/job.ts'
import type { Tables } from './tables.ts'

/** Jobs by type and status. */
export interface JobCount {
  readonly job_type: string
  readonly status: JobStatus
  readonly count: number
}

export async function countJobs(database: Queryable, tables: Tables): Promise<JobCount[]> {
  const counted = await database.query<JobCount>(
    `select job_type, status, count(*)::float8 as count from ${tables.jobs} group by job_type, status order by 1, 2`,
  )
  return counted.rows
}

/** Attempts of the last 24 hours by outcome, and what is waiting. */
export interface Activity {
  readonly executions: number
  readonly completed: number
  readonly due: number
  /** Milliseconds the oldest due job has been waiting; null when nothing is due. */
  readonly oldest_due_ms: number | null
  /** Milliseconds until the next pending job is due; null when none is. */
  readonly next_due_ms: number | null
}

export async function measureActivity(database: Queryable, tables: Tables, now: string | null): Promise<Activity> {
  const measured = await database.query<Activity>(
    `with moment as (select coalesce($1::text::timestamptz, now()) as now),
     recent as (
       select sum(executions)::float8 as executions, sum(completed)::float8 as completed from (
         select count(*) as executions, count(*) filter (where status = 'completed') as completed
         from ${tables.attempts}, moment
         where execution_time > moment.now - interval '24 hours' and status in ('completed', 'failed', 'lost')
         union all
         select count(*), count(*) filter (where last_outcome = 'completed') from ${tables.finished}, moment
         where completed_at > moment.now - interval '24 hours' and execution_id is not null
           and last_outcome in ('completed', 'failed', 'lost')) counted
     ), waiting as (
       select count(*) filter (where scheduled_time <= moment.now)::float8 as due,
         (extract(epoch from moment.now - min(scheduled_time) filter (where scheduled_time <= moment.now)) * 1000)::float8
           as oldest_due_ms,
         (extract(epoch from min(scheduled_time) filter (where scheduled_time > moment.now) - moment.now) * 1000)::float8
           as next_due_ms
       from ${tables.live}, moment where lease_token is null group by moment.now
     )
     select recent.executions, recent.completed, coalesce(waiting.due, 0) as due, waiting.oldest_due_ms,
       waiting.next_due_ms
     from recent left join waiting on true`,
    [now],
  )
  return measured.rows[0] ?? { executions: 0, completed: 0, due: 0, oldest_due_ms: null, next_due_ms: null }
}
