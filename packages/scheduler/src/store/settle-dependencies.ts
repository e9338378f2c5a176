import type { Queryable } from '../database/database.ts'
import { dependencyTable } from './dependency-table.ts'
import type { EndedJob } from './lock-ended.ts'
import type { Tables } from './tables.ts'

/** A job that waited for one that has ended. */
export interface TouchedChild {
  readonly child_id: string
  /** Why it must not run any more; null: it may. */
  readonly fault: string | null
}

/**
 * Notes in the dependencies on ended jobs what became of them. One that says `wait` stays open after a failure: the
 * failed job may be given a new life. Not when it was deleted.
 */
export async function settleDependencies(
  transaction: Queryable,
  tables: Tables,
  ended: readonly EndedJob[],
): Promise<TouchedChild[]> {
  const touched = await transaction.query<TouchedChild>(
    `with settled as (
       update ${dependencyTable(tables)} dependency set outcome = row->>1
       from jsonb_array_elements((select $1::text)::jsonb) as row
       where dependency.parent_id = row->>0 and dependency.outcome is null
         and (row->>1 in ('completed', 'deleted') or dependency.on_failure <> 'wait')
       returning child_id, parent_id, dependency.name, on_failure, outcome
     ) select child_id::text, min(case when on_failure <> 'run' and outcome <> 'completed' then
         'dependency ' || coalesce('"' || name || '" (' || parent_id || ')', parent_id) ||
         case outcome when 'failed' then ' failed' when 'deleted' then ' was deleted' else ' was cancelled' end end) as fault
     from settled group by child_id`,
    [JSON.stringify(ended.map(each => [each.job_id, each.status]))],
  )
  return touched.rows
}

/**
 * Locks jobs that wait, in the order of their ids. A statement that begins afterwards sees what others noted of their
 * dependencies before: of two parents that end at the same instant, the second to get here finds both.
 */
export async function lockWaiting(transaction: Queryable, tables: Tables, jobIds: readonly string[]): Promise<void> {
  await transaction.query(
    `select count(*) from (
       select from ${tables.live} where job_id = any($1::text[]) and waits order by job_id for no key update) locked`,
    [jobIds],
  )
}
