import type { Queryable } from '../database/database.ts'
import { dependencyTable } from './dependency-table.ts'
import type { Tables } from './tables.ts'

/** Jobs that wait, and for nothing that is still to come: what should have let them go did not see it. */
export async function findForgotten(
  database: Queryable,
  tables: Tables,
  request: { limit: number },
): Promise<string[]> {
  const dependencies = dependencyTable(tables)
  const found = await database.query<{ job_id: string }>(
    `select distinct live.job_id::text from ${dependencies} settled join ${tables.live} live on live.job_id = settled.child_id
     where live.waits and not exists (
       select from ${dependencies} dependency where dependency.child_id = live.job_id and dependency.outcome is null)
     limit $1::int`,
    [request.limit],
  )
  return found.rows.map(row => row.job_id)
}
