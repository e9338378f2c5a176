import type { Queryable } from '../database/database.ts'
import type { Delivery } from '../job/delivery.ts'
import { deadlineSpan } from './deadline-span.ts'
import { pickJobs, type BulkBatch, type BulkRequest } from './bulk-batch.ts'
import { DELIVERY_COLUMNS, type DeliveryRow } from './find-delivery.ts'
import { Parameters } from './job-conditions.ts'
import { OPTIONS_OBJECT } from './options-object.ts'
import { readyAt } from './ready-at.ts'
import type { Tables } from './tables.ts'

export interface MovedBatch extends BulkBatch {
  readonly moved: readonly string[]
}

/** The next batch of pending jobs to be placed anew, locked, in the order of their ids. */
export async function pickDeliveries(
  transaction: Queryable,
  tables: Tables,
  request: BulkRequest & { extra: string },
): Promise<DeliveryRow[]> {
  const parameters = new Parameters()
  const picked = pickJobs(request, parameters, { from: tables.live, extra: request.extra, lock: 'wait' })
  const answer = await transaction.query<DeliveryRow>(
    `with picked as materialized (${picked}) select ${DELIVERY_COLUMNS} from picked order by job_id`,
    parameters.values,
  )
  return answer.rows
}

/** Where a pending job stands now, and what it keeps of its window. */
export interface MovedDelivery {
  readonly jobId: string
  /** Null leaves the time. */
  readonly dueMs: number | null
  readonly delivery: Delivery | null
  /** A deadline given as a span counts from the new time. Default: it stays where it is. */
  readonly movesDeadline?: true
}

/**
 * Writes where pending jobs stand now. A job that waits for something else goes on waiting for that. Answers the ids of
 * those that are pending still.
 */
export async function moveDeliveries(
  transaction: Queryable,
  tables: Tables,
  moves: readonly MovedDelivery[],
): Promise<readonly string[]> {
  const due = `coalesce((row->>1)::timestamptz, live.scheduled_time)`
  const rows = moves.map(({ jobId, dueMs, delivery, movesDeadline }) => [
    jobId,
    dueMs === null ? null : new Date(dueMs).toISOString(),
    delivery ?? {},
    movesDeadline ?? false,
  ])
  const answer = await transaction.query<{ job_id: string }>(
    `with moved as (
       update ${tables.live} live set scheduled_time = ${due},
         expires_at = coalesce(case when (row->>3)::boolean then ${due} + ${deadlineSpan('live')} * interval '1 millisecond' end,
           live.expires_at),
         ready_at = case when row->>1 is null or live.ready_at = 'infinity' then live.ready_at
           else ${readyAt(due, 'live.priority')} end,
         options = ${OPTIONS_OBJECT} || jsonb_build_object('delivery', row->2)
       from jsonb_array_elements((select $1::text)::jsonb) as row
       where live.job_id = row->>0 and live.lease_token is null
       returning live.job_id
     ), hint as materialized (select pg_notify($2::text, 'due') from moved limit 1)
     select job_id::text from moved left join hint on true order by job_id`,
    [JSON.stringify(rows), tables.channel],
  )
  return answer.rows.map(row => row.job_id)
}
