import type { Queryable } from '../database/database.ts'
import type { ActorOption } from '../job/actor.ts'

/** Where a change of schedules takes place, and who makes it: each is written to the audit. */
export interface InTransaction extends ActorOption {
  /** Your own open transaction: the change happens if and only if it commits. Any client with `query(text, values)`. */
  transaction?: Queryable | { query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }> }
}
