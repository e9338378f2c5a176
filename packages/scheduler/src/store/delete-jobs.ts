import type { Queryable } from '../database/database.ts'
import { pickJobs, type BulkBatch, type BulkRequest } from './bulk-batch.ts'
import { tellOfDeletedParents } from './dependency-table.ts'
import { Parameters } from './job-conditions.ts'
import type { Tables } from './tables.ts'
import { giveBackPeriods } from './unique-periods.ts'

export interface DeletedBatch extends BulkBatch {
  readonly deleted: string[]
}

/**
 * Deletes the next batch of finished jobs with all their attempts. Whoever waits for one whose end nobody has handled yet
 * is told: its mark is gone with it.
 */
export async function deleteBatch(transaction: Queryable, tables: Tables, request: BulkRequest): Promise<DeletedBatch> {
  const parameters = new Parameters()
  const picked = pickJobs(request, parameters, { from: tables.finished, extra: 'true', lock: 'skip' })
  const channel = parameters.add(tables.channel, 'text')
  const answer = await transaction.query<DeletedBatch>(
    `with picked as materialized (${picked}), gone as (
       delete from ${tables.finished} where job_id in (select job_id from picked)
       returning job_id, job_type, unique_key, status, awaited
     ), given_back as (${giveBackPeriods(tables, 'gone')}
     ), attempts as (
       delete from ${tables.attempts} where job_id in (select job_id from gone)
     ), hint as materialized (
       select pg_notify(${channel}, 'ended') from (select from gone where awaited limit 1) one
       union all ${tellOfDeletedParents(tables, 'gone', channel)}
     )
     select (select count(*) from picked)::int as picked, (select max(job_id) from picked)::text as last_id,
       to_jsonb(array(select job_id::text from gone order by job_id)) as deleted,
       (select count(*) from hint) as hints`,
    parameters.values,
  )
  return answer.rows[0] ?? { picked: 0, last_id: null, deleted: [] }
}
