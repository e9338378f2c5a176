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

/** The hint that jobs are gone which others wait for. */
export const PARENTS_DELETED = 'deleted'

/**
 * Query that tells runners of it, at the commit: whoever deletes may be gone before it has looked after those that wait.
 * @param gone name of the query that answers the `job_id`s of deleted jobs
 * @param channel expression
 */
export function tellOfDeletedParents(tables: Pick<Tables, 'schema'>, gone: string, channel: string): string {
  return `select pg_notify(${channel}, '${PARENTS_DELETED}') from (
      select from ${dependencyTable(tables)} dependency join ${gone} on ${gone}.job_id = dependency.parent_id
      where dependency.outcome is null limit 1) one`
}
