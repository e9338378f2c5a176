import type { Queryable } from '../database/database.ts'
import type { OnFailure } from '../job/job-options.ts'
import { dependencyTable } from './dependency-table.ts'
import type { Tables } from './tables.ts'

/** A job to wait for. */
export interface ParentLink {
  readonly parentId: string
  readonly name: string | null
  readonly onFailure: OnFailure
}

/** A job that waits, and one it waits for. */
export interface NewDependency extends ParentLink {
  readonly childId: string
}

/** Rows per statement. */
const ROWS_PER_STATEMENT = 1_000

/** Stores open dependencies, in the transaction that stores the jobs that wait. */
export async function storeDependencies(
  transaction: Queryable,
  tables: Tables,
  dependencies: readonly NewDependency[],
): Promise<void> {
  for (let start = 0; start < dependencies.length; start += ROWS_PER_STATEMENT) {
    const rows = dependencies.slice(start, start + ROWS_PER_STATEMENT)
    await transaction.query(
      `insert into ${dependencyTable(tables)} (child_id, parent_id, name, on_failure)
       select row->>0, row->>1, row->>2, row->>3 from jsonb_array_elements((select $1::text)::jsonb) as row
       on conflict do nothing`,
      [JSON.stringify(rows.map(each => [each.childId, each.parentId, each.name, each.onFailure]))],
    )
  }
}
