import type { Queryable } from '../database/database.ts'
import type { AnyJobDefinition } from '../job/definition.ts'
import { isAffordable, readLimits, requireAffordable, type ResolvedLimits } from '../job/limits.ts'
import { readSetLimits } from '../store/lanes.ts'
import type { Tables } from '../store/tables.ts'

/** Limits that were set at run time, by type. */
export async function limitsThatAreSet(
  database: Queryable,
  tables: Tables,
): Promise<ReadonlyMap<string, ResolvedLimits>> {
  const rows = await readSetLimits(database, tables)
  return new Map(rows.map(row => [row.job_type, readableLimits(row.limits)]))
}

/** A job that somebody wants to store. */
interface PricedJob {
  readonly definition: AnyJobDefinition
  readonly options: { readonly cost?: number | undefined }
}

/**
 * Refuses jobs that cost more than a whole budget. A process knows the budget of the definition, which may have been
 * raised since: the database is asked before a job is refused, and never for those that fit.
 * @throws BelfryError `BELFRY_COST_EXCEEDS_BUDGET`
 */
export async function refuseUnaffordable(
  database: Queryable,
  tables: Tables,
  jobs: readonly PricedJob[],
): Promise<void> {
  const doubtful = jobs.filter(({ definition, options }) => !isAffordable(definition.limits, options.cost))
  if (doubtful.length === 0) return
  const set = await limitsThatAreSet(database, tables)
  for (const { definition, options } of doubtful) {
    const { type } = definition
    requireAffordable({ type, limits: set.get(type) ?? definition.limits }, options.cost)
  }
}

/** Limits that cannot be read keep their type governed: its claims tell what is wrong, and start nothing. */
function readableLimits(stored: unknown): ResolvedLimits {
  try {
    return readLimits(stored, 'limits')
  } catch {
    return {}
  }
}
