import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/** A schedule's pending and running jobs, the oldest first. */
export async function findUnfinishedOf(database: Queryable, tables: Tables, scheduleId: string): Promise<string[]> {
  const found = await database.query<{ job_id: string }>(
    `select job_id from ${tables.live} where schedule_id = $1::text order by created_at, job_id`,
    [scheduleId],
  )
  return found.rows.map(row => row.job_id)
}

/** Those of the ids that any job has, whatever its status. */
export async function findTakenIds(database: Queryable, tables: Tables, ids: readonly string[]): Promise<string[]> {
  const found = await database.query<{ job_id: string }>(
    `select job_id from ${tables.jobs} where job_id = any($1::text[])`,
    [ids],
  )
  return found.rows.map(row => row.job_id)
}
