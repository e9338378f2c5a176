import type { Queryable } from '../../database/database.ts'
import type { OnlineIndex } from '../../database/online-indexes.ts'
import type { Tables } from '../tables.ts'

/** One step of the schema. Append only: a step that has shipped never changes, its checksum says so. */
export interface Migration {
  readonly version: number
  readonly name: string
  /** Looks before anything is changed and throws when the step must not run (a foreign table in the way). */
  check?(transaction: Queryable, tables: Tables): Promise<void>
  /** Statements, one each, for a schema's names. */
  statements(tables: Tables): readonly string[]
  /** Indexes on tables that may be big by then; see `OnlineIndex`. */
  readonly onlineIndexes?: readonly OnlineIndex[]
}
