import type { Queryable } from '../database/database.ts'
import { tellOfDeletedParents } from './dependency-table.ts'
import { giveBackPeriods } from './unique-periods.ts'
import { keepAttempt } from './keep-attempt.ts'
import type { Tables } from './tables.ts'

/**
 * Deletes at most `limit` finished jobs of a status that ended longer ago than `keepMs`; answers how many. The attempts
 * in their rows stay if history is kept for longer (`keepHistoryMs`), but for jobs with subjects: an attempt alone knows
 * no subject, and erasing somebody would miss it. A job whose end is not handled yet stays: jobs may wait for it.
 */
export async function pruneFinished(
  database: Queryable,
  tables: Tables,
  request: {
    status: 'completed' | 'failed' | 'cancelled'
    keepMs: number
    keepHistoryMs: number
    limit: number
    now: string | null
  },
): Promise<number> {
  const pruned = await database.query<{ count: number }>(
    `with gone as (
       delete from ${tables.finished} where ctid = any (array(
         select ctid from ${tables.finished}
         where completed_at < coalesce($4::text::timestamptz, now()) - $2::float8 * interval '1 millisecond'
           and status = $1::text and not awaited
         limit $3::int))
       returning *
     ), kept as (${keepAttempt(tables, 'gone')}
       and subjects is null
       and completed_at >= coalesce($4::text::timestamptz, now()) - $5::float8 * interval '1 millisecond'
     ), given_back as (${giveBackPeriods(tables, 'gone')}
     ), forgotten as (
       delete from ${tables.attempts} where job_id in (select job_id from gone where subjects is not null)
     ), hint as materialized (${tellOfDeletedParents(tables, 'gone', '$6::text')}
     ) select count(*)::int as count, (select count(*) from hint) as hints from gone`,
    [request.status, request.keepMs, request.limit, request.now, request.keepHistoryMs, tables.channel],
  )
  return pruned.rows[0]?.count ?? 0
}

/** Deletes at most `limit` attempts that have rows of their own, of attempts begun longer ago than `keepMs`; answers how many. */
export async function pruneHistory(
  database: Queryable,
  tables: Tables,
  request: { keepMs: number; limit: number; now: string | null },
): Promise<number> {
  const pruned = await database.query<{ count: number }>(
    `with gone as (
       delete from ${tables.attempts} where ctid = any (array(
         select ctid from ${tables.attempts}
         where execution_time < coalesce($3::text::timestamptz, now()) - $1::float8 * interval '1 millisecond'
         limit $2::int))
       returning 1
     ) select count(*)::int as count from gone`,
    [request.keepMs, request.limit, request.now],
  )
  return pruned.rows[0]?.count ?? 0
}
