import type { Queryable } from '../database/database.ts'
import { BEGUN_BEFORE, keptSlot } from './kept-slot.ts'
import type { Tables } from './tables.ts'

/**
 * Gives back all jobs of claims whose answer never arrived: they were never started, so no attempt is spent. Answers how
 * many there were. Reads the whole live partition, so it runs after a lost answer only.
 */
export async function releaseClaims(
  database: Queryable,
  tables: Tables,
  request: { leaseTokens: readonly string[]; strictTypes: readonly string[] },
): Promise<number> {
  const released = await database.query<{ count: number }>(
    `with released as (
       update ${tables.live} live set status = 'pending', lease_token = null, runner_id = null, attempt = attempt - 1,
         admitted = ${keptSlot('$2::text[]', BEGUN_BEFORE)}
       where lease_token = any($1::uuid[]) returning job_id
     ) select count(*)::int as count from released`,
    [request.leaseTokens, request.strictTypes],
  )
  return released.rows[0]?.count ?? 0
}
