import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/** Tells every runner that due jobs may be waiting, when the transaction commits. */
export async function hintDue(queryable: Queryable, tables: Tables): Promise<void> {
  await queryable.query('select pg_notify($1::text, $2::text)', [tables.channel, 'due'])
}
