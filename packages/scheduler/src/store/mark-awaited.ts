import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/** A job moves between the partitions while we look in one and then in the other; not for ever. */
const MOST_LOOKS = 5

/** What became of the wish to hear of jobs. */
export interface Marked {
  /** There are no such jobs. */
  readonly unknown: readonly string[]
  /** Some had ended before: their end is there to be handled at once. */
  readonly someEnded: boolean
}

/**
 * Marks jobs as awaited: their end is handled once, by whoever settles them or by the next sweep. One that has ended
 * already is handled at once. Their rows stay locked until the transaction ends, in the order of their ids, so nobody
 * settles or redrives them meanwhile without seeing the mark.
 */
export async function markAwaited(transaction: Queryable, tables: Tables, jobIds: readonly string[]): Promise<Marked> {
  let unknown: readonly string[] = [...new Set(jobIds)]
  let someEnded = false
  for (let look = 0; look < MOST_LOOKS && unknown.length > 0; look += 1) {
    for (const table of [tables.live, tables.finished]) {
      const found = new Set(await markIn(transaction, table, unknown))
      someEnded ||= table === tables.finished && found.size > 0
      unknown = unknown.filter(jobId => !found.has(jobId))
    }
  }
  return { unknown, someEnded }
}

async function markIn(transaction: Queryable, table: string, jobIds: readonly string[]): Promise<string[]> {
  if (jobIds.length === 0) return []
  const found = await transaction.query<{ job_id: string }>(
    `with locked as materialized (
       select job_id from ${table} where job_id = any($1::text[]) order by job_id for no key update
     ), marked as (
       update ${table} set awaited = true where job_id in (select job_id from locked) and not awaited
     ) select job_id::text from locked`,
    [jobIds],
  )
  return found.rows.map(row => row.job_id)
}
