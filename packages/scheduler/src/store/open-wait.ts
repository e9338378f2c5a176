import type { Database, Queryable } from '../database/database.ts'
import { durableTables } from './durable-tables.ts'
import { fence, type Holder } from './fence.ts'
import { stepColumns, type StepRow } from './load-steps.ts'
import { lockTopic, type Topic } from './lock-topic.ts'
import type { Tables } from './tables.ts'

export type WaitToOpen = Holder & Topic & { name: string; timeoutMs: number; now: string | null }

/**
 * Begins to wait: takes the oldest event of this topic that the job has not had yet, or stores that it waits for one.
 * Undefined when the lease was lost.
 *
 * An event that can be seen is taken without a turn at the topic: events of one topic commit in the order of their ids,
 * so none can turn up before it. One job must not call this twice at the same time.
 */
export async function openWait(database: Database, tables: Tables, request: WaitToOpen): Promise<StepRow | undefined> {
  const taken = await storeWait(database, tables, { ...request, onlyWithEvent: true })
  if (taken) return taken
  return database.transaction(async transaction => {
    await lockTopic(transaction, tables, request)
    return storeWait(transaction, tables, { ...request, onlyWithEvent: false })
  })
}

async function storeWait(
  database: Queryable,
  tables: Tables,
  request: WaitToOpen & { onlyWithEvent: boolean },
): Promise<StepRow | undefined> {
  const { steps, events } = durableTables(tables)
  const { jobId, leaseToken, name, event, key, timeoutMs, now } = request
  const stored = await database.query<StepRow>(
    `with ${fence(tables)}, moment as materialized (
       select coalesce($7::text::timestamptz, clock_timestamp()) as now
     ), found as (
       select event_id, payload from ${events} event
       where event.name = $4::text and event.key = $5::text and expires_at > (select now from moment)
         and event_id > coalesce((select max(event_id) from ${steps}
           where job_id = $1::text and event_name = $4::text and event_key = $5::text), 0)
       order by event_id limit 1
     )
     insert into ${steps} (job_id, kind, name, done, result, wake_at, event_name, event_key, event_id)
     select held.job_id, 'wait', $3::text, found.event_id is not null, found.payload,
       date_trunc('milliseconds', moment.now + $6::float8 * interval '1 ms'), $4::text, $5::text, found.event_id
     from held cross join moment ${request.onlyWithEvent ? 'join' : 'left join'} found on true
     on conflict (job_id, kind, name) do update set done = excluded.done, result = excluded.result,
       wake_at = excluded.wake_at, event_name = excluded.event_name, event_key = excluded.event_key,
       event_id = excluded.event_id
     returning ${stepColumns('(select now from moment)')}`,
    [jobId, leaseToken, name, event, key, timeoutMs, now],
  )
  return stored.rows[0]
}

/** Ends a wait by its timeout, unless its event has come. False when it has, and when the lease was lost. */
export async function endWait(
  database: Queryable,
  tables: Tables,
  request: Holder & { name: string },
): Promise<boolean> {
  const ended = await database.query<{ job_id: string }>(
    `with ${fence(tables)}
     update ${durableTables(tables).steps} step set done = true from held
     where step.job_id = held.job_id and kind = 'wait' and name = $3::text and not done returning step.job_id`,
    [request.jobId, request.leaseToken, request.name],
  )
  return ended.rows.length > 0
}
