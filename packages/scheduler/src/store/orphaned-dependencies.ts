import type { Queryable } from '../database/database.ts'
import { dependencyTable } from './dependency-table.ts'
import type { EndedJob } from './lock-ended.ts'
import type { Tables } from './tables.ts'

/**
 * Ended jobs that somebody waits for and whose end nobody will handle: deleted ones, and those that a process of an
 * earlier release has settled. Reads every open dependency, so it runs at start and seldom.
 */
export async function orphanedParents(
  database: Queryable,
  tables: Tables,
  request: { limit: number },
): Promise<EndedJob[]> {
  const found = await database.query<EndedJob>(
    `select distinct dependency.parent_id::text as job_id, coalesce(ended.status, 'deleted') as status, false as rerun
     from ${dependencyTable(tables)} dependency
     left join ${tables.finished} ended on ended.job_id = dependency.parent_id
     where dependency.outcome is null
       and not exists (select from ${tables.live} live where live.job_id = dependency.parent_id)
       and (dependency.on_failure <> 'wait' or coalesce(ended.status, 'deleted') in ('completed', 'deleted'))
     limit $1::int`,
    [request.limit],
  )
  return found.rows
}
