import type { Queryable } from '../database/database.ts'
import { pickJobs, type BulkBatch, type BulkRequest } from './bulk-batch.ts'
import { Parameters } from './job-conditions.ts'
import { keepAttempt } from './keep-attempt.ts'
import { hasOpenDependents } from './dependency-table.ts'
import { readyAt } from './ready-at.ts'
import { KEPT_COLUMNS, type Tables } from './tables.ts'

export const REDRIVABLE = `status in ('failed', 'cancelled')`

export interface RedrivenBatch extends BulkBatch {
  readonly redriven: string[]
}

/**
 * Gives the next batch of failed and cancelled jobs a new life, as redriving one does. A job whose unique key another
 * unfinished job has by now stays as it is; of two with one key the one that ended last goes.
 */
export async function redriveBatch(
  transaction: Queryable,
  tables: Tables,
  request: BulkRequest,
): Promise<RedrivenBatch> {
  const parameters = new Parameters()
  const picked = pickJobs(request, parameters, { from: tables.finished, extra: REDRIVABLE, lock: 'skip' })
  const due = `coalesce(${parameters.add(request.now, 'text')}::timestamptz, now())`
  // What belongs to the life that ended stays behind.
  const columns = KEPT_COLUMNS.replaceAll(/, (runner_id|retry_count|lost_count|expires_at|progress)\b/g, '')
  const again = columns.replace('scheduled_time', due).replace('awaited', hasOpenDependents(tables, 'picked'))
  const answer = await transaction.query<RedrivenBatch>(
    `with picked as materialized (${picked}), back as (
       insert into ${tables.live} (${columns}, last_outcome, error_message, ready_at)
       select ${again}, last_outcome, error_message, ${readyAt(due, 'priority')}
       from picked order by completed_at desc
       on conflict do nothing returning job_id
     ), gone as (
       delete from ${tables.finished} finished using back where finished.job_id = back.job_id returning finished.*
     ), kept as (${keepAttempt(tables, 'gone')}), hint as materialized (
       select pg_notify(${parameters.add(tables.channel, 'text')}, 'due') from back limit 1
     )
     select (select count(*) from picked)::int as picked, (select max(job_id) from picked)::text as last_id,
       to_jsonb(array(select job_id::text from back order by job_id)) as redriven, (select count(*) from hint) as hints`,
    parameters.values,
  )
  return answer.rows[0] ?? { picked: 0, last_id: null, redriven: [] }
}
