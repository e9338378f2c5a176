import type { Queryable } from '../database/database.ts'
import { pickJobs, type BulkBatch, type BulkRequest } from './bulk-batch.ts'
import { FREED_KEY, wasInTheWay, type FreedKey } from './freed-key.ts'
import { Parameters, whereJobs, type JobConditions } from './job-conditions.ts'
import { KEPT_COLUMNS, type Tables } from './tables.ts'

/** Pending, or running and not asked to stop yet. */
export const CANCELLABLE = '(lease_token is null or not cancel_requested)'

export interface CancelledBatch extends BulkBatch {
  readonly cancelled: number
  /** Running jobs that were asked to stop now. */
  readonly requested: string[]
  /** Some of the ids. */
  readonly job_ids: string[]
  /** Keys of which others may have waited for one of them. */
  readonly freed: FreedKey[]
}

/** Cancels the next batch: pending jobs never start, running ones are asked to stop. Locked rows are left out. */
export async function cancelBatch(
  transaction: Queryable,
  tables: Tables,
  request: BulkRequest & { reason: string; ids: number },
): Promise<CancelledBatch> {
  const parameters = new Parameters()
  const picked = pickJobs(request, parameters, { from: tables.live, extra: CANCELLABLE, lock: 'skip' })
  const now = `coalesce(${parameters.add(request.now, 'text')}::timestamptz, clock_timestamp())`
  const reason = parameters.add(request.reason, 'text')
  const channel = parameters.add(tables.channel, 'text')
  const answer = await transaction.query<CancelledBatch>(
    `with picked as materialized (${picked}), gone as (
       delete from ${tables.live} where job_id in (select job_id from picked where lease_token is null)
         and lease_token is null returning *
     ), kept as (
       insert into ${tables.finished} (${KEPT_COLUMNS}, status, last_outcome, completed_at, error_message)
       select ${KEPT_COLUMNS}, 'cancelled', 'cancelled', ${now}, ${reason} from gone
     ), asked as (
       update ${tables.live} set cancel_requested = true, error_message = ${reason}
       where job_id in (select job_id from picked where lease_token is not null) and lease_token is not null
       returning job_id
     ), hint as materialized (select pg_notify(${channel}, 'cancel:' || job_id) from asked
       union all select * from (select pg_notify(${channel}, 'awaited') from gone where awaited limit 1) one)
     select (select count(*) from picked)::int as picked, (select max(job_id) from picked)::text as last_id,
       (select count(*) from gone)::int as cancelled, to_jsonb(array(select job_id::text from asked)) as requested,
       to_jsonb(array(select job_id::text from picked order by job_id limit ${parameters.add(request.ids, 'int')})) as job_ids,
       to_jsonb(array(select distinct ${FREED_KEY} from gone where ${wasInTheWay(now)})) as freed,
       (select count(*) from hint) as hints`,
    parameters.values,
  )
  return answer.rows[0] ?? { picked: 0, last_id: null, cancelled: 0, requested: [], job_ids: [], freed: [] }
}

/**
 * Waits until a row that could not be locked is free, and says whether there was one. It waits with nothing locked
 * itself: whoever settles many jobs in one statement can so never wait for us while we wait for them.
 */
export async function awaitLeftOver(database: Queryable, tables: Tables, conditions: JobConditions): Promise<boolean> {
  const parameters = new Parameters()
  const left = await database.query(
    `select job_id from ${tables.live} where ${whereJobs(conditions, parameters)} and ${CANCELLABLE} limit 1 for update`,
    parameters.values,
  )
  return left.rows.length > 0
}
