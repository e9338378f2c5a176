import type { Queryable } from '../../database/database.ts'
import { BelfryError } from '../../errors.ts'
import type { Tables } from '../tables.ts'

/** The columns by which the guide's own tables are known. */
const GUIDE_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  scheduled_jobs: ['job_id', 'job_type', 'scheduled_time', 'payload', 'status'],
  job_execution_history: ['execution_id', 'job_id', 'job_type', 'execution_time', 'duration_ms', 'status'],
}

/**
 * Refuses a table of the same name that somebody else made: adopting would lose its other columns.
 * @throws BelfryError `BELFRY_FOREIGN_TABLE` before anything is changed
 */
export async function refuseForeignTables(transaction: Queryable, tables: Tables): Promise<void> {
  const found = await transaction.query<{ table_name: string; columns: string[] }>(
    `select table_name::text, array_agg(column_name::text order by ordinal_position) as columns
     from information_schema.columns where table_schema = $1::text and table_name = any($2::text[]) group by table_name`,
    [tables.schemaName, Object.keys(GUIDE_COLUMNS)],
  )
  for (const { table_name: name, columns } of found.rows) {
    const missing = (GUIDE_COLUMNS[name] ?? []).filter(column => !columns.includes(column))
    if (missing.length > 0) {
      throw new BelfryError(
        'BELFRY_FOREIGN_TABLE',
        `schema ${tables.schema} holds a table ${name} that is not ours (no column ${missing.join(', ')}). ` +
          'Nothing was changed. Rename it, or give Belfry another schema with the schema option.',
      )
    }
  }
}
