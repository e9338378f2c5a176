import type { Core } from '../core.ts'
import type { OnFailure } from '../job/job-options.ts'
import type { JobStatus } from '../job/job.ts'
import { requireOptions } from '../job/known-names.ts'
import { requireWhole } from '../job/whole.ts'
import { readGraphEdges, readGraphNodes } from '../store/read-graph.ts'

/** A job of a graph. */
export interface GraphNode {
  readonly jobId: string
  /** Its name in its flow, or what a job that waits for it calls it. */
  readonly name: string | null
  /** Null, like its status: deleted, or past its retention. */
  readonly jobType: string | null
  readonly status: JobStatus | null
  /** Why it failed or was cancelled; of an unfinished job the error of its last attempt. */
  readonly error: string | null
}

/** One job comes before another. */
export interface GraphEdge {
  readonly from: string
  readonly to: string
  readonly onFailure: OnFailure
  /** What the other one was told of it; null while it waits for it. */
  readonly outcome: 'completed' | 'failed' | 'cancelled' | 'deleted' | null
}

/** Jobs that are connected, and how. */
export interface JobGraph {
  readonly nodes: readonly GraphNode[]
  readonly edges: readonly GraphEdge[]
  /** There is more of it than was asked for. */
  readonly truncated: boolean
}

const DEFAULT_NODES = 200
const MOST_NODES = 2_000
const EDGES_PER_NODE = 10

/** The jobs a job is connected with, nearest first. Undefined: there is no such job. */
export async function readGraph(
  { database, tables }: Core,
  jobId: string,
  options: { readonly limit?: number },
): Promise<JobGraph | undefined> {
  const wanted = requireWhole(requireOptions(options, 'options').limit, { name: 'limit', least: 1 }) ?? DEFAULT_NODES
  const limit = Math.min(wanted, MOST_NODES)
  const found = await readGraphNodes(database, tables, { jobId, limit: limit + 1 })
  const rows = found.slice(0, limit)
  if (rows.every(row => row.job_type === null)) return undefined
  const mostEdges = limit * EDGES_PER_NODE
  const jobIds = rows.map(row => row.job_id)
  const edges = await readGraphEdges(database, tables, { jobIds, limit: mostEdges + 1 })
  return {
    nodes: rows.map(({ job_id: id, job_type: jobType, name, status, error }) => {
      return { jobId: id, name, jobType, status, error: status === 'completed' ? null : error }
    }),
    edges: edges.slice(0, mostEdges).map(edge => {
      return { from: edge.parent_id, to: edge.child_id, onFailure: edge.on_failure, outcome: edge.outcome }
    }),
    truncated: found.length > limit || edges.length > mostEdges,
  }
}
