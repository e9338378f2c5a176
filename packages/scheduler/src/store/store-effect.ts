import type { Queryable } from '../database/database.ts'
import { durableTables } from './durable-tables.ts'
import { fence, type Holder } from './fence.ts'
import type { Tables } from './tables.ts'

/** Notes that an effect is about to happen. False when the lease was lost. */
export async function beginEffect(
  database: Queryable,
  tables: Tables,
  request: Holder & { key: string },
): Promise<boolean> {
  const begun = await database.query<{ held: boolean }>(
    `with ${fence(tables)}, begun as (
       insert into ${durableTables(tables).steps} (job_id, kind, name, done)
       select job_id, 'effect', $3::text, false from held on conflict (job_id, kind, name) do nothing
     ) select true as held from held`,
    [request.jobId, request.leaseToken, request.key],
  )
  return begun.rows.length > 0
}

/**
 * Notes that an effect has happened, the first word counting; false when another was first, or the job is gone. Not
 * fenced: it is a fact about the world outside, and the attempt that has the job by now needs to know it more than anyone.
 */
export async function confirmEffect(
  database: Queryable,
  tables: Tables,
  request: { jobId: string; key: string; result: string | null },
): Promise<boolean> {
  const { steps } = durableTables(tables)
  const told = await database.query(
    `insert into ${steps} as step (job_id, kind, name, done, result)
     select job_id, 'effect', $2::text, true, $3::text::jsonb from ${tables.jobs} where job_id = $1::text limit 1
     on conflict (job_id, kind, name) do update set done = true, result = excluded.result where not step.done
     returning job_id`,
    [request.jobId, request.key, request.result],
  )
  return told.rows.length > 0
}
