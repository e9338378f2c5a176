import type { Queryable } from '../database/database.ts'
import { pickJobs, type BulkBatch, type BulkRequest } from './bulk-batch.ts'
import { Parameters } from './job-conditions.ts'
import { broughtBack, LAST_FIRST } from './bring-back.ts'
import type { Tables } from './tables.ts'

export const REDRIVABLE = `status in ('failed', 'cancelled')`

export interface RedrivenBatch extends BulkBatch {
  readonly redriven: string[]
}

/**
 * Gives the next batch of failed and cancelled jobs a new life, as redriving one does. A job whose unique key another
 * unfinished job has by now stays as it is; of two with one key, or one id, the one that ended last goes.
 */
export async function redriveBatch(
  transaction: Queryable,
  tables: Tables,
  request: BulkRequest,
): Promise<RedrivenBatch> {
  const parameters = new Parameters()
  const picked = pickJobs(request, parameters, { from: tables.finished, extra: REDRIVABLE, lock: 'skip' })
  const due = `coalesce(${parameters.add(request.now, 'text')}::timestamptz, now())`
  const answer = await transaction.query<RedrivenBatch>(
    `with picked as materialized (${picked}), last as (
       select distinct on (job_id) * from picked order by job_id, ${LAST_FIRST}
     ), ${broughtBack(tables, due)}, hint as materialized (
       select pg_notify(${parameters.add(tables.channel, 'text')}, 'due') from back limit 1
     )
     select (select count(*) from picked)::int as picked, (select max(job_id) from picked)::text as last_id,
       to_jsonb(array(select job_id::text from back order by job_id)) as redriven, (select count(*) from hint) as hints`,
    parameters.values,
  )
  return answer.rows[0] ?? { picked: 0, last_id: null, redriven: [] }
}
