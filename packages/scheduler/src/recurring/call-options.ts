import type { Queryable } from '../database/database.ts'
import type { ActorOption } from '../job/actor.ts'

/** Where a change of schedules takes place, and who makes it: each is written to the audit. */
export interface InTransaction extends ActorOption {
  /** Your own open transaction: the change happens if and only if it commits. Any client with `query(text, values)`. */
  transaction?: Queryable | { query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }> }
}

/** How far bringing the stored schedules in line goes. */
export interface ApplySchedulesOptions extends InTransaction {
  /** true: remove schedules that came from code and are not there any more; `'all'`: also those made at run time. Default none. */
  removeOthers?: boolean | 'all'
  /** Answer the plan, change nothing. */
  dryRun?: boolean
}

/** What to backfill: both ends included, as a `Date` or ISO text. */
export interface BackfillRange {
  from: Date | string
  to: Date | string
}
