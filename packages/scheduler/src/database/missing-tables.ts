import { BelfryError } from '../errors.ts'
import type { Database, Queryable } from './database.ts'

/** No such table, schema or function. */
const MISSING = new Set<unknown>(['42P01', '3F000', '42883'])

const OURS = /\.("?)(scheduled_jobs|job_|schedule_job|belfry_)/

/**
 * The same database, whose statements say what is missing when the tables of a schema were never made: the first thing
 * that a process meets which only schedules.
 */
export function tellMissingTables(database: Database, schema: string): Database {
  const explain = (error: unknown): never => {
    throw missingTables(error, schema) ?? error
  }
  const within = (queryable: Queryable): Queryable => {
    const keeping = <Row>(text: string, values: readonly unknown[]) =>
      queryable.queryKept ? queryable.queryKept<Row>(text, values) : queryable.query<Row>(text, values)
    return {
      query: <Row>(text: string, values?: readonly unknown[]) => queryable.query<Row>(text, values).catch(explain),
      ...('queryKept' in queryable && {
        queryKept: <Row>(text: string, values: readonly unknown[]) => keeping<Row>(text, values).catch(explain),
      }),
    }
  }
  return {
    ...within(database),
    kind: database.kind,
    maxConnections: database.maxConnections,
    transaction: work => database.transaction(transaction => work(within(transaction))),
    listen: (...channel) => database.listen(...channel),
    ...(database.poolState && { poolState: () => database.poolState?.() }),
  }
}

/** The error that says so, or undefined when that is not what is wrong. */
export function missingTables(error: unknown, schema: string): BelfryError | undefined {
  if (!(error instanceof Error && 'code' in error && MISSING.has(error.code))) return undefined
  // A handler's own statements come this way too: what they miss is theirs to name.
  const { message } = error
  const isOurs =
    error.code === '3F000' ? message.includes(`"${schema}"`) : message.includes(`${schema}.`) && OURS.test(message)
  if (!isOurs) return undefined
  return new BelfryError(
    'BELFRY_DATABASE_NOT_MIGRATED',
    `schema "${schema}" lacks tables of Belfry (${error.message}): call scheduler.migrate() once, or start() without ` +
      'migrate: false, or run what `belfry-cli schema sql` prints; or is the `schema` option another one there?',
    { cause: error },
  )
}
