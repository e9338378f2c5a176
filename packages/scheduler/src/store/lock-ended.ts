import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/** A job that has ended and is awaited. `deleted`: nothing of it is left but those that wait for it. */
export interface EndedJob {
  readonly job_id: string
  readonly status: 'completed' | 'failed' | 'cancelled' | 'deleted'
  /** Somebody asked for it to run once more. */
  readonly rerun: boolean
}

/** Some of the ended jobs whose end is not handled yet. */
export async function findEnded(database: Queryable, tables: Tables, limit: number): Promise<string[]> {
  const found = await database.query<{ job_id: string }>(
    `select job_id::text from ${tables.finished} where awaited limit $1::int`,
    [limit],
  )
  return found.rows.map(row => row.job_id)
}

/** Those of these jobs whose end is not handled yet, locked. Those that somebody handles at this moment are left out. */
export async function lockEnded(
  transaction: Queryable,
  tables: Tables,
  jobIds: readonly string[],
): Promise<EndedJob[]> {
  const found = await transaction.query<EndedJob>(
    `select job_id::text, status, options->'rerun' is not null as rerun from ${tables.finished}
     where awaited and job_id = any($1::text[]) for update skip locked`,
    [jobIds],
  )
  return found.rows
}

/** Marks the end of these jobs as handled, and lets those hear of it who wait for a result. */
export async function closeEnded(transaction: Queryable, tables: Tables, jobIds: readonly string[]): Promise<void> {
  await transaction.query(
    `with closed as (
       update ${tables.finished} set awaited = false, 
         options = case when options->'rerun' is null then options else nullif(options - 'rerun', '{}') end
       where job_id = any($1::text[]) and awaited returning 1
     ) select pg_notify($2::text, 'ended') from (select from closed limit 1) one`,
    [jobIds, tables.channel],
  )
}
