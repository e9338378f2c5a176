import type { Core } from '../core.ts'
import { BelfryError, show } from '../errors.ts'
import type { PastDependency } from '../job/context.ts'
import { openValue, sealedAs } from '../job/sealed-value.ts'
import { readDependencies, type DependencyRow } from '../store/read-dependencies.ts'

/** Results may be large, and a completion may have waited for very many. */
const MOST_READ = 1_000

/** The jobs that a job has waited for, the first thousand. */
export async function pastDependencies(core: Core, childId: string): Promise<readonly PastDependency[]> {
  const { database, tables } = core
  const rows = await readDependencies(database, tables, { childId, only: null, limit: MOST_READ })
  return rows.map(row => dependencyOf(core, row))
}

/**
 * One job that a job has waited for, by its name or id.
 * @throws BelfryError `BELFRY_JOB_NOT_FOUND`, `BELFRY_UNKNOWN_PAYLOAD_KEY`, `BELFRY_PAYLOAD_UNREADABLE`
 */
export async function pastDependency(core: Core, request: { childId: string; name: string }): Promise<PastDependency> {
  const { database, tables } = core
  const { childId, name: only } = request
  const [row] = await readDependencies(database, tables, { childId, only, limit: 1 })
  if (row) return dependencyOf(core, row)
  throw new BelfryError('BELFRY_JOB_NOT_FOUND', `dependency: job ${childId} has waited for no job named ${show(only)}`)
}

function dependencyOf({ options }: Core, row: DependencyRow): PastDependency {
  const { name, job_id: jobId, job_type: jobType, outcome, error } = row
  const has = outcome === 'completed' && row.result !== null
  const result = has ? openValue(options.payloadCipher, row.result, sealedAs.result(jobId)) : undefined
  return { name, jobId, jobType, status: outcome === 'deleted' ? 'cancelled' : outcome, result, error }
}
