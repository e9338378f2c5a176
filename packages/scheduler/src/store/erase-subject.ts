import type { Queryable } from '../database/database.ts'
import { dependencyTable } from './dependency-table.ts'
import { durableTables } from './durable-tables.ts'
import { periodsTable } from './unique-periods.ts'
import type { Tables } from './tables.ts'

export interface ErasedSubject {
  readonly pending: number
  readonly finished: number
  /** Jobs that ran; whoever runs them finds no row to write to any more. */
  readonly running: string[]
  readonly attempts: number
}

const ABOUT = 'subjects is not null and subjects @> array[$1::text]'

/**
 * Deletes every job of a subject with all attempts, whatever its status. A running one is asked to stop; what it answers
 * is refused, since its row and with it its lease are gone. Two statements of one transaction: the first locks, so that
 * the second, which begins later, sees the attempts of what was being settled meanwhile.
 */
export async function eraseSubject(transaction: Queryable, tables: Tables, subject: string): Promise<ErasedSubject> {
  await transaction.query(
    `select count(*) from (select 1 from ${tables.live} where ${ABOUT} order by job_id for update) locked`,
    [subject],
  )
  const erased = await transaction.query<ErasedSubject>(
    `with live as (
       delete from ${tables.live} where ${ABOUT} returning job_id, lease_token
     ), finished as (
       delete from ${tables.finished} where ${ABOUT} returning job_id, execution_id
     ), attempts as (
       delete from ${tables.attempts}
       where job_id in (select job_id from live union all select job_id from finished) returning 1
     ), steps as (
       delete from ${durableTables(tables).steps} where job_id in (select job_id from live)
     ), dependencies as (
       delete from ${dependencyTable(tables)} where child_id in (select job_id from live)
     ), periods as (
       delete from ${periodsTable(tables)} where ${ABOUT}
     ), hint as materialized (
       select pg_notify($2::text, 'cancel:' || job_id) from live where lease_token is not null
     )
     select (select count(*) from live where lease_token is null)::int as pending,
       (select count(*) from finished)::int as finished,
       to_jsonb(array(select job_id::text from live where lease_token is not null)) as running,
       ((select count(*) from attempts) + (select count(*) from finished where execution_id is not null))::int as attempts,
       (select count(*) from hint) as hints`,
    [subject, tables.channel],
  )
  return erased.rows[0] ?? { pending: 0, finished: 0, running: [], attempts: 0 }
}

/** Jobs that erasing would delete. */
export async function countSubject(
  database: Queryable,
  tables: Tables,
  subject: string,
): Promise<{ pending: number; running: number; finished: number }> {
  const counted = await database.query<{ pending: number; running: number; finished: number }>(
    `select count(*) filter (where status = 'pending')::int as pending,
       count(*) filter (where status = 'running')::int as running,
       count(*) filter (where status not in ('pending', 'running'))::int as finished
     from ${tables.jobs} where ${ABOUT}`,
    [subject],
  )
  return counted.rows[0] ?? { pending: 0, running: 0, finished: 0 }
}
