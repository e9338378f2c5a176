import type { Queryable } from '../database/database.ts'

/** Where a change of schedules takes place. */
export interface InTransaction {
  /** Your own open transaction: the change happens if and only if it commits. Any client with `query(text, values)`. */
  transaction?: Queryable | { query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }> }
}
