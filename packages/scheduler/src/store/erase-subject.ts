import type { Queryable } from '../database/database.ts'
import { dependencyTable, tellOfDeletedParents } from './dependency-table.ts'
import { durableTables } from './durable-tables.ts'
import { FREED_KEY, type FreedKey } from './freed-key.ts'
import { periodsTable } from './unique-periods.ts'
import type { Tables } from './tables.ts'

export interface ErasedSubject {
  readonly schedules: number
  readonly pending: number
  readonly finished: number
  /** Jobs that ran; whoever runs them finds no row to write to any more. */
  readonly running: string[]
  readonly attempts: number
  /** Types and keys of which others may have waited for one of them. */
  readonly freed: FreedKey[]
}

/** How much there is of a subject. */
export interface SubjectCounts {
  readonly schedules: number
  readonly pending: number
  readonly running: number
  readonly finished: number
}

const ABOUT = 'subjects is not null and subjects @> array[$1::text]'

const SCHEDULE_ABOUT = `job_options @> jsonb_build_object('subjects', jsonb_build_array($1::text))`

/**
 * Deletes every schedule of a subject and every job with all attempts, whatever its status. A running one is asked to
 * stop; what it answers is refused, since its row and with it its lease are gone. Whoever waits for a job is told. Three
 * statements of one transaction, each of which sees what was committed before it began. The first waits for schedules
 * that fire at this moment; the second locks their jobs too, so that the third sees the attempts of what was being
 * settled meanwhile.
 */
export async function eraseSubject(transaction: Queryable, tables: Tables, subject: string): Promise<ErasedSubject> {
  const schedules = await transaction.query(`delete from ${tables.schedules} where ${SCHEDULE_ABOUT} returning 1`, [
    subject,
  ])
  await transaction.query(
    `select count(*) from (select 1 from ${tables.live} where ${ABOUT} order by job_id for update) locked`,
    [subject],
  )
  const erased = await transaction.query<Omit<ErasedSubject, 'schedules'>>(
    `with live as (
       delete from ${tables.live} where ${ABOUT} returning job_id, lease_token, awaited, job_type, lane, admitted
     ), finished as (
       delete from ${tables.finished} where ${ABOUT} returning job_id, execution_id
     ), gone as (
       select job_id from live union all select job_id from finished
     ), attempts as (
       delete from ${tables.attempts} where job_id in (select job_id from gone) returning 1
     ), steps as (
       delete from ${durableTables(tables).steps} where job_id in (select job_id from live)
     ), dependencies as (
       delete from ${dependencyTable(tables)} where child_id in (select job_id from live)
     ), periods as (
       delete from ${periodsTable(tables)} where ${ABOUT}
     ), hint as materialized (
       select pg_notify($2::text, 'cancel:' || job_id) from live where lease_token is not null
       union all select pg_notify($2::text, 'ended') from (select from live where awaited limit 1) one
       union all ${tellOfDeletedParents(tables, 'gone', '$2::text')}
     )
     select (select count(*) from live where lease_token is null)::int as pending,
       (select count(*) from finished)::int as finished,
       to_jsonb(array(select job_id::text from live where lease_token is not null)) as running,
       ((select count(*) from attempts) + (select count(*) from finished where execution_id is not null))::int as attempts,
       to_jsonb(array(select distinct ${FREED_KEY} from live where lane is not null or admitted)) as freed,
       (select count(*) from hint) as hints`,
    [subject, tables.channel],
  )
  const none = { pending: 0, finished: 0, running: [], attempts: 0, freed: [] }
  return { schedules: schedules.rows.length, ...(erased.rows[0] ?? none) }
}

/** What erasing would delete. */
export async function countSubject(database: Queryable, tables: Tables, subject: string): Promise<SubjectCounts> {
  const counted = await database.query<SubjectCounts>(
    `select (select count(*) from ${tables.schedules} where ${SCHEDULE_ABOUT})::int as schedules,
       count(*) filter (where status = 'pending')::int as pending,
       count(*) filter (where status = 'running')::int as running,
       count(*) filter (where status not in ('pending', 'running'))::int as finished
     from ${tables.jobs} where ${ABOUT}`,
    [subject],
  )
  return counted.rows[0] ?? { schedules: 0, pending: 0, running: 0, finished: 0 }
}
