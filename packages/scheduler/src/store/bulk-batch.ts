import type { Queryable } from '../database/database.ts'
import { Parameters, whereJobs, type JobConditions } from './job-conditions.ts'

/** One batch of an act on many jobs. */
export interface BulkRequest {
  readonly conditions: JobConditions
  /** Only jobs whose id is greater: where the last batch ended. */
  readonly afterId: string
  readonly limit: number
  readonly now: string | null
}

/** What every batch answers, beside its counts. */
export interface BulkBatch {
  /** Rows that were looked at; fewer than the limit: there are no more. */
  readonly picked: number
  readonly last_id: string | null
}

/**
 * Query of the next matching rows in the order of their ids, locked.
 * @param extra further condition, SQL of ours
 * @param lock `skip`: rows that somebody else works on at this moment are left out
 */
export function pickJobs(
  request: BulkRequest,
  parameters: Parameters,
  { from, extra, lock }: { from: string; extra: string; lock: 'skip' | 'wait' },
): string {
  const where = whereJobs(request.conditions, parameters)
  const after = parameters.add(request.afterId, 'text')
  return `select * from ${from} where ${where} and ${extra} and job_id > ${after}
    order by job_id limit ${parameters.add(request.limit, 'int')} for update ${lock === 'skip' ? 'skip locked' : ''}`
}

/** Counts of matching jobs and the first of their ids. */
export interface Preview {
  readonly pending: number
  readonly running: number
  readonly finished: number
  readonly job_ids: string[]
}

/** What an act would find, without doing it. */
export async function previewJobs(
  database: Queryable,
  request: { from: string; conditions: JobConditions; extra: string; ids: number },
): Promise<Preview> {
  const parameters = new Parameters()
  const where = `${whereJobs(request.conditions, parameters)} and ${request.extra}`
  const counted = await database.query<Preview>(
    `with fitting as materialized (select job_id, status from ${request.from} where ${where})
     select count(*) filter (where status = 'pending')::float8 as pending,
       count(*) filter (where status = 'running')::float8 as running,
       count(*) filter (where status not in ('pending', 'running'))::float8 as finished,
       to_jsonb(array(select job_id::text from fitting order by job_id limit ${parameters.add(request.ids, 'int')})) as job_ids
     from fitting`,
    parameters.values,
  )
  return counted.rows[0] ?? { pending: 0, running: 0, finished: 0, job_ids: [] }
}
