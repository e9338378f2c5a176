import type { Queryable, QueryResult } from '../database.ts'
import { isCoded, resultOf } from './answers.ts'
import { splitPlaceholders, valuesInOrder } from './placeholders.ts'

/** What is used of Drizzle's `sql`, the tag that is imported from `drizzle-orm`. */
export interface DrizzleSql<Statement> {
  raw(text: string): Statement
  param(value: unknown): unknown
  join(chunks: unknown[]): Statement
}

/** What is used of a Drizzle transaction over PostgreSQL. Structural: the library does not import Drizzle. */
export interface DrizzleLike<Statement> {
  execute(statement: Statement): PromiseLike<unknown>
}

/**
 * A Drizzle transaction (or instance) as the `transaction` of scheduling calls, on node-postgres, postgres.js or PGlite:
 * `db.transaction(tx => scheduler.scheduleJob(job, payload, { transaction: fromDrizzle(tx, sql) }))`.
 * @param sql Drizzle's own, `import { sql } from 'drizzle-orm'`: the public way to a statement with parameters
 */
export function fromDrizzle<Statement>(drizzle: DrizzleLike<Statement>, sql: DrizzleSql<Statement>): Queryable {
  return {
    async query<Row>(text: string, values: readonly unknown[] = []): Promise<QueryResult<Row>> {
      const { fragments, order } = splitPlaceholders(text)
      const given = valuesInOrder(order, values)
      // As `param`, or an array would be spread into a list of parameters.
      const chunks = fragments.flatMap((fragment, index) =>
        index === 0 ? [sql.raw(fragment)] : [sql.param(given[index - 1]), sql.raw(fragment)],
      )
      try {
        return resultOf('fromDrizzle', text, await drizzle.execute(sql.join(chunks)))
      } catch (error) {
        throw unwrapped(error)
      }
    },
  }
}

/** Drizzle wraps the driver's error; the scheduler goes by the driver's code. */
function unwrapped(error: unknown): unknown {
  return error instanceof Error && !isCoded(error) && isCoded(error.cause) ? error.cause : error
}
