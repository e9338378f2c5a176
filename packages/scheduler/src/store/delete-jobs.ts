import type { Queryable } from '../database/database.ts'
import { pickJobs, type BulkBatch, type BulkRequest } from './bulk-batch.ts'
import { Parameters } from './job-conditions.ts'
import type { Tables } from './tables.ts'

export interface DeletedBatch extends BulkBatch {
  readonly deleted: string[]
}

/** Deletes the next batch of finished jobs with all their attempts. */
export async function deleteBatch(transaction: Queryable, tables: Tables, request: BulkRequest): Promise<DeletedBatch> {
  const parameters = new Parameters()
  const picked = pickJobs(request, parameters, { from: tables.finished, extra: 'true', lock: 'skip' })
  const answer = await transaction.query<DeletedBatch>(
    `with picked as materialized (${picked}), gone as (
       delete from ${tables.finished} where job_id in (select job_id from picked) returning job_id
     ), attempts as (
       delete from ${tables.attempts} where job_id in (select job_id from gone)
     )
     select (select count(*) from picked)::int as picked, (select max(job_id) from picked)::text as last_id,
       to_jsonb(array(select job_id::text from gone order by job_id)) as deleted`,
    parameters.values,
  )
  return answer.rows[0] ?? { picked: 0, last_id: null, deleted: [] }
}
