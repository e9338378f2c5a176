import type { Queryable } from '../database/database.ts'
import { durableTables } from './durable-tables.ts'
import { fence, type Holder } from './fence.ts'
import { stepColumns, type StepRow } from './load-steps.ts'
import type { Tables } from './tables.ts'

/** Stores a step's result. False when the lease was lost. */
export async function storeStep(
  database: Queryable,
  tables: Tables,
  request: Holder & { name: string; result: string | null },
): Promise<boolean> {
  const stored = await database.query<{ job_id: string }>(
    `with ${fence(tables)}
     insert into ${durableTables(tables).steps} (job_id, kind, name, done, result)
     select job_id, 'step', $3::text, true, $4::text::jsonb from held
     on conflict (job_id, kind, name) do update set result = excluded.result, done = true returning job_id`,
    [request.jobId, request.leaseToken, request.name, request.result],
  )
  return stored.rows.length > 0
}

/** Stores when a sleep ends, to the millisecond. Undefined when the lease was lost. */
export async function storeSleep(
  database: Queryable,
  tables: Tables,
  request: Holder & {
    name: string
    /** ISO text; wins over `delayMs`. */
    wakeAt: string | null
    delayMs: number
    now: string | null
  },
): Promise<StepRow | undefined> {
  const { jobId, leaseToken, name, wakeAt, delayMs, now } = request
  const stored = await database.query<StepRow>(
    `with ${fence(tables)}, moment as materialized (
       select coalesce($6::text::timestamptz, clock_timestamp()) as now
     )
     insert into ${durableTables(tables).steps} (job_id, kind, name, done, wake_at)
     select job_id, 'sleep', $3::text, true, date_trunc('milliseconds',
       coalesce($4::text::timestamptz, moment.now + $5::float8 * interval '1 ms')) from held, moment
     on conflict (job_id, kind, name) do update set wake_at = excluded.wake_at
     returning ${stepColumns('(select now from moment)')}`,
    [jobId, leaseToken, name, wakeAt, delayMs, now],
  )
  return stored.rows[0]
}
