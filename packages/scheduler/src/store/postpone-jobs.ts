import type { Queryable } from '../database/database.ts'
import { pickJobs, type BulkBatch, type BulkRequest } from './bulk-batch.ts'
import { FREED_KEY, hadItsTurn, type FreedKey } from './freed-key.ts'
import { Parameters } from './job-conditions.ts'
import { readyAt } from './ready-at.ts'
import type { Tables } from './tables.ts'

export const POSTPONABLE = 'lease_token is null'

export interface PostponedBatch extends BulkBatch {
  readonly postponed: string[]
  /** Keys in which it may be somebody else's turn now. */
  readonly freed: readonly FreedKey[]
}

/**
 * Moves the due time of the next batch of pending jobs: to an instant, or by a span from now or from when they are due,
 * whichever is later. A job that waits for something else goes on waiting for that. Claims never wait for a row, so
 * waiting for theirs here is safe.
 */
export async function postponeBatch(
  transaction: Queryable,
  tables: Tables,
  request: BulkRequest & { to: string | null; byMs: number },
): Promise<PostponedBatch> {
  const parameters = new Parameters()
  const picked = pickJobs(request, parameters, { from: tables.live, extra: POSTPONABLE, lock: 'wait' })
  const now = `coalesce(${parameters.add(request.now, 'text')}::timestamptz, now())`
  const by = `${parameters.add(request.byMs, 'float8')} * interval '1 millisecond'`
  const due = `coalesce(${parameters.add(request.to, 'text')}::timestamptz, greatest(${now}, live.scheduled_time) + ${by})`
  const answer = await transaction.query<PostponedBatch>(
    `with picked as materialized (${picked}), moved as (
       update ${tables.live} live set scheduled_time = ${due},
         ready_at = case when live.ready_at = 'infinity' then live.ready_at else ${readyAt(due, 'live.priority')} end
       from picked where live.job_id = picked.job_id and live.lease_token is null
       returning live.job_id
     ), hint as materialized (
       select pg_notify(${parameters.add(tables.channel, 'text')}, 'due') from moved limit 1
     )
     select (select count(*) from picked)::int as picked, (select max(job_id) from picked)::text as last_id,
       to_jsonb(array(select job_id::text from moved order by job_id)) as postponed,
       to_jsonb(array(select distinct ${FREED_KEY} from picked where ${hadItsTurn(now)})) as freed, (select count(*) from hint) as hints`,
    parameters.values,
  )
  return answer.rows[0] ?? { picked: 0, last_id: null, postponed: [], freed: [] }
}
