import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/** Takes a runner out of the registry after it has given back everything it held. */
export async function unregisterRunner(database: Queryable, tables: Tables, runnerId: string): Promise<void> {
  await database.query(`delete from ${tables.runners} where runner_id = $1::uuid`, [runnerId])
}

/**
 * Expires every lease at once. For an embedded database only: it has one process, so whoever opens it knows that the
 * runners in its registry are gone.
 */
export async function expireAllRunners(database: Queryable, tables: Tables): Promise<void> {
  await database.query(`update ${tables.runners} set lease_until = '-infinity'`)
}
