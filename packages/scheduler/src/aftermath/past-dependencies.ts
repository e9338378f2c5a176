import type { Core } from '../core.ts'
import { BelfryError, show } from '../errors.ts'
import type { PastDependency } from '../job/context.ts'
import { readDependencies, type DependencyRow } from '../store/read-dependencies.ts'

/** Results may be large, and a completion may have waited for very many. */
const MOST_READ = 1_000

/** The jobs that a job has waited for, the first thousand. */
export async function pastDependencies(
  { database, tables }: Core,
  childId: string,
): Promise<readonly PastDependency[]> {
  const rows = await readDependencies(database, tables, { childId, only: null, limit: MOST_READ })
  return rows.map(dependencyOf)
}

/**
 * One job that a job has waited for, by its name or id.
 * @throws BelfryError `BELFRY_JOB_NOT_FOUND`
 */
export async function pastDependency(
  { database, tables }: Core,
  request: { childId: string; name: string },
): Promise<PastDependency> {
  const { childId, name: only } = request
  const [row] = await readDependencies(database, tables, { childId, only, limit: 1 })
  if (row) return dependencyOf(row)
  throw new BelfryError('BELFRY_JOB_NOT_FOUND', `dependency: job ${childId} has waited for no job named ${show(only)}`)
}

function dependencyOf(row: DependencyRow): PastDependency {
  const { name, job_id: jobId, job_type: jobType, outcome, error } = row
  const result = outcome === 'completed' && row.result !== null ? row.result : undefined
  return { name, jobId, jobType, status: outcome === 'deleted' ? 'cancelled' : outcome, result, error }
}
