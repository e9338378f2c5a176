import type { Queryable } from '../database/database.ts'
import type { FoundBy } from '../job/job-reference.ts'
import type { Tables } from './tables.ts'

/** The id of the job that a reference means; undefined when no unfinished job has its key. An id is not looked up. */
export async function findId(database: Queryable, tables: Tables, reference: FoundBy): Promise<string | undefined> {
  if (reference.jobId !== undefined) return reference.jobId
  const found = await database.query<{ job_id: string }>(
    `select job_id from ${tables.live} where job_type = $1::text and unique_key = $2::text`,
    [reference.jobType, reference.uniqueKey],
  )
  return found.rows[0]?.job_id
}
