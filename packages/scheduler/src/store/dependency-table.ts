import type { Tables } from './tables.ts'

/** The quoted name of the table of dependencies: one row per job that waits (the child) and job it waits for (the parent). */
export function dependencyTable({ schema }: Pick<Tables, 'schema'>): string {
  return `${schema}.belfry_dependencies`
}

/**
 * Expression for `awaited` of a job that comes back to life: as it was, or since jobs wait for it that were told to go on
 * waiting when it failed.
 * @param rows name of the query that answers it
 */
export function hasOpenDependents(tables: Pick<Tables, 'schema'>, rows: string): string {
  return `awaited or exists (select from ${dependencyTable(tables)} dependency
    where dependency.parent_id = ${rows}.job_id and dependency.outcome is null)`
}
