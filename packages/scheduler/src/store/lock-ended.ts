import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/** A job that has ended and is awaited. `deleted`: nothing of it is left but those that wait for it. */
export interface EndedJob {
  readonly job_id: string
  readonly status: 'completed' | 'failed' | 'cancelled' | 'deleted'
  /** Somebody asked for it to run once more. */
  readonly rerun: boolean
}

/** Ended jobs whose end is not handled yet, locked: of these ids, or any. Those that somebody handles now are left out. */
export async function lockEnded(
  transaction: Queryable,
  tables: Tables,
  request: { jobIds: readonly string[] | null; limit: number },
): Promise<EndedJob[]> {
  const found = await transaction.query<EndedJob>(
    `select job_id::text, status, options->'rerun' is not null as rerun from ${tables.finished}
     where awaited ${request.jobIds === null ? '' : 'and job_id = any($2::text[])'}
     limit $1::int for update skip locked`,
    request.jobIds === null ? [request.limit] : [request.limit, request.jobIds],
  )
  return found.rows
}

/** Marks the end of these jobs as handled, and lets those hear of it who wait for a result. */
export async function closeEnded(transaction: Queryable, tables: Tables, jobIds: readonly string[]): Promise<void> {
  await transaction.query(
    `with closed as (
       update ${tables.finished} set awaited = false, options = nullif(options - 'rerun', '{}')
       where job_id = any($1::text[]) and awaited returning 1
     ) select pg_notify($2::text, 'ended') from (select from closed limit 1) one`,
    [jobIds, tables.channel],
  )
}
