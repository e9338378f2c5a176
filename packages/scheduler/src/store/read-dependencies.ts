import type { Queryable } from '../database/database.ts'
import type { DependencyCounts } from '../job/context.ts'
import type { JobStatus } from '../job/job.ts'
import type { OnFailure } from '../job/job-options.ts'
import { dependencyTable } from './dependency-table.ts'
import type { Tables } from './tables.ts'

/** A job that another one has waited for. */
export interface DependencyRow {
  readonly name: string | null
  readonly job_id: string
  /** Null: nothing of it is left. */
  readonly job_type: string | null
  readonly outcome: 'completed' | 'failed' | 'cancelled' | 'deleted' | null
  readonly result: unknown
  readonly error: string | null
}

/** The jobs that a job has waited for, by name and id; at most `limit`, or the one with a name or an id. */
export async function readDependencies(
  database: Queryable,
  tables: Tables,
  request: { childId: string; only: string | null; limit: number },
): Promise<DependencyRow[]> {
  const found = await database.query<DependencyRow>(
    `select dependency.name, dependency.parent_id::text as job_id, parent.job_type, dependency.outcome, parent.result,
       case when dependency.outcome <> 'completed' then parent.error_message end as error
     from ${dependencyTable(tables)} dependency
     left join ${tables.finished} parent on parent.job_id = dependency.parent_id
     where dependency.child_id = $1::text
       and ($2::text is null or dependency.name = $2::text or dependency.parent_id = $2::text)
     order by dependency.name = $2::text desc nulls last, dependency.name, dependency.parent_id limit $3::int`,
    [request.childId, request.only, request.limit],
  )
  return found.rows
}

/** Counts them by how they ended. */
export async function countDependencies(
  database: Queryable,
  tables: Tables,
  childId: string,
): Promise<DependencyCounts> {
  const counted = await database.query<DependencyCounts>(
    `select count(*)::int as total, count(*) filter (where outcome = 'completed')::int as completed,
       count(*) filter (where outcome = 'failed')::int as failed,
       count(*) filter (where outcome in ('cancelled', 'deleted'))::int as cancelled
     from ${dependencyTable(tables)} where child_id = $1::text`,
    [childId],
  )
  return counted.rows[0] ?? { total: 0, completed: 0, failed: 0, cancelled: 0 }
}

/** A job that keeps another one waiting. */
export interface OpenDependencyRow {
  readonly job_id: string
  readonly job_type: string
  readonly status: JobStatus
  readonly name: string | null
  readonly on_failure: OnFailure
  /** How many there are in all. */
  readonly total: number
}

/** What keeps a job waiting, the first few; none when it does not wait (any more). */
export async function openDependencies(
  database: Queryable,
  tables: Tables,
  request: { childId: string; limit: number },
): Promise<OpenDependencyRow[]> {
  const found = await database.query<OpenDependencyRow>(
    `select dependency.parent_id::text as job_id, coalesce(parent.job_type, '') as job_type,
       coalesce(parent.status, 'cancelled') as status, dependency.name, dependency.on_failure,
       (count(*) over ())::int as total
     from ${tables.live} child
     join ${dependencyTable(tables)} dependency on dependency.child_id = child.job_id and dependency.outcome is null
     left join ${tables.jobs} parent on parent.job_id = dependency.parent_id
     where child.job_id = $1::text and child.waits
     order by dependency.parent_id limit $2::int`,
    [request.childId, request.limit],
  )
  return found.rows
}
