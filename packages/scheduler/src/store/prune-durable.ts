import type { Queryable } from '../database/database.ts'
import { durableTables } from './durable-tables.ts'
import type { Tables } from './tables.ts'

/** Deletes at most `limit` events that are kept no longer, and as many topics nobody uses; answers how many events. */
export async function pruneEvents(
  database: Queryable,
  tables: Tables,
  request: { limit: number; now: string | null },
): Promise<number> {
  const { events, topics, steps } = durableTables(tables)
  const pruned = await database.query<{ count: number }>(
    `with gone as (
       delete from ${events} where event_id = any (array(
         select event_id from ${events} where expires_at <= coalesce($2::text::timestamptz, clock_timestamp())
         limit $1::int))
       returning 1
     ), idle as (
       select name, key from ${topics} topic
       where not exists (select from ${events} event where event.name = topic.name and event.key = topic.key)
         and not exists (select from ${steps} step
           where step.event_name = topic.name and step.event_key = topic.key and not step.done and step.kind = 'wait')
       limit $1::int for update skip locked
     ), unused as (
       delete from ${topics} topic using idle where topic.name = idle.name and topic.key = idle.key
     ) select count(*)::int as count from gone`,
    [request.limit, request.now],
  )
  return pruned.rows[0]?.count ?? 0
}

/**
 * Deletes at most `limit` rows of jobs that are gone; answers how many. Only jobs deleted from the live partition by
 * its own name leave such rows: elsewhere a trigger takes them along.
 */
export async function pruneOrphanedSteps(
  database: Queryable,
  tables: Tables,
  request: { limit: number },
): Promise<number> {
  const { steps } = durableTables(tables)
  const pruned = await database.query<{ count: number }>(
    `with gone as (
       delete from ${steps} where ctid = any (array(
         select step.ctid from ${steps} step
         where not exists (select from ${tables.live} live where live.job_id = step.job_id)
           and not exists (select from ${tables.finished} finished where finished.job_id = step.job_id)
         limit $1::int))
       returning 1
     ) select count(*)::int as count from gone`,
    [request.limit],
  )
  return pruned.rows[0]?.count ?? 0
}
