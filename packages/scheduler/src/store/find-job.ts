import type { Queryable } from '../database/database.ts'
import type { Job } from '../job/job.ts'
import { JOB_COLUMNS, jobOfRow, type JobRow } from './job-row.ts'
import type { Tables } from './tables.ts'

interface WholeJobRow extends JobRow {
  readonly payload: unknown
  readonly result: unknown
  readonly progress: unknown
}

const COLUMNS = `${JOB_COLUMNS}, payload, result, progress`

/** The job with this id, whatever its status; undefined when there is none (or retention removed it). */
export async function findJob(database: Queryable, tables: Tables, jobId: string): Promise<Job | undefined> {
  const found = await database.query<WholeJobRow>(
    `select ${COLUMNS} from ${tables.jobs} where job_id = $1::text order by completed_at desc nulls first limit 1`,
    [jobId],
  )
  return found.rows[0] && jobOf(found.rows[0])
}

/** The unfinished job that holds a unique key. */
export async function findJobByKey(
  database: Queryable,
  tables: Tables,
  key: { jobType: string; uniqueKey: string },
): Promise<Job | undefined> {
  const found = await database.query<WholeJobRow>(
    `select ${COLUMNS} from ${tables.live} where job_type = $1::text and unique_key = $2::text`,
    [key.jobType, key.uniqueKey],
  )
  return found.rows[0] && jobOf(found.rows[0])
}

/** Jobs whose id begins with a prefix, newest first; for people who type the first characters only. */
export async function findJobsByPrefix(
  database: Queryable,
  tables: Tables,
  request: { prefix: string; limit: number },
): Promise<Job[]> {
  const found = await database.query<WholeJobRow>(
    `select ${COLUMNS} from ${tables.jobs}
     where job_id >= $1::text and job_id < $1::text || U&'\\FFFF' and starts_with(job_id, $1::text)
     order by created_at desc limit $2::int`,
    [request.prefix, request.limit],
  )
  return found.rows.map(jobOf)
}

function jobOf(row: WholeJobRow): Job {
  const { payload, result, progress } = row
  return { ...jobOfRow(row), payload, result, progress }
}
