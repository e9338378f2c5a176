import type { Queryable } from '../database/database.ts'
import type { JobStatus } from '../job/job.ts'
import type { OnFailure } from '../job/job-options.ts'
import { dependencyTable } from './dependency-table.ts'
import type { Tables } from './tables.ts'

export interface GraphNodeRow {
  readonly job_id: string
  /** Null: nothing of it is left. */
  readonly job_type: string | null
  readonly status: JobStatus | null
  readonly name: string | null
  readonly error: string | null
}

export interface GraphEdgeRow {
  readonly parent_id: string
  readonly child_id: string
  readonly on_failure: OnFailure
  readonly outcome: 'completed' | 'failed' | 'cancelled' | 'deleted' | null
}

/**
 * The jobs that a job is connected with, through those it waits for and those that wait for it, nearest first; at most
 * `limit`. The walk stops as soon as it has found so many.
 */
export async function readGraphNodes(
  database: Queryable,
  tables: Tables,
  request: { jobId: string; limit: number },
): Promise<GraphNodeRow[]> {
  const dependencies = dependencyTable(tables)
  const found = await database.query<GraphNodeRow>(
    `with recursive member(job_id) as (
       select $1::text collate "C" union
       select next.job_id from member cross join lateral (
         select parent_id::text as job_id from ${dependencies} where child_id = member.job_id
         union all select child_id::text from ${dependencies} where parent_id = member.job_id) next
     ), near as materialized (select job_id from member limit $2::int)
     select near.job_id, job.job_type, job.status, coalesce(job.options->>'name',
         (select min(name) from ${dependencies} where parent_id = near.job_id)) as name,
       left(job.error_message, 300) as error
     from near left join ${tables.jobs} job on job.job_id = near.job_id`,
    [request.jobId, request.limit],
  )
  return found.rows
}

/** The dependencies among these jobs. */
export async function readGraphEdges(
  database: Queryable,
  tables: Tables,
  request: { jobIds: readonly string[]; limit: number },
): Promise<GraphEdgeRow[]> {
  const found = await database.query<GraphEdgeRow>(
    `select parent_id::text, child_id::text, on_failure, outcome from ${dependencyTable(tables)}
     where child_id = any($1::text[]) and parent_id = any($1::text[]) order by child_id, parent_id limit $2::int`,
    [request.jobIds, request.limit],
  )
  return found.rows
}
