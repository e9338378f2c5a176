import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/** Those of the ids that finished jobs have. */
export async function findFinishedIds(database: Queryable, tables: Tables, ids: readonly string[]): Promise<string[]> {
  const found = await database.query<{ job_id: string }>(
    `select job_id from ${tables.finished} where job_id = any($1::text[])`,
    [ids],
  )
  return found.rows.map(row => row.job_id)
}
