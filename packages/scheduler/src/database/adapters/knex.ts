import { BelfryError } from '../../errors.ts'
import type { Queryable, QueryResult } from '../database.ts'
import { resultOf } from './answers.ts'
import { splitPlaceholders, valuesInOrder } from './placeholders.ts'

/** What is used of a Knex transaction. Structural: the library does not import Knex. */
export interface KnexLike {
  raw(sql: string, bindings: readonly unknown[]): PromiseLike<unknown>
}

/**
 * A Knex transaction (or instance) as the `transaction` of scheduling calls:
 * `knex.transaction(trx => scheduler.scheduleJob(job, payload, { transaction: fromKnex(trx) }))`.
 */
export function fromKnex(knex: KnexLike): Queryable {
  return {
    async query<Row>(text: string, values: readonly unknown[] = []): Promise<QueryResult<Row>> {
      const { sql, bindings } = knexStatement(text, values)
      return resultOf('fromKnex', text, await knex.raw(sql, bindings))
    },
  }
}

/**
 * A statement in Knex's notation: `?` for a parameter, `\?` for a question mark.
 * @throws BelfryError `BELFRY_INVALID_OPTION` for a question mark after a backslash, which Knex cannot write
 */
export function knexStatement(text: string, values: readonly unknown[]): { sql: string; bindings: unknown[] } {
  if (text.includes('\\?')) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      'fromKnex: a statement has a question mark right after a backslash, which Knex cannot send. Pass such text as a ' +
        'parameter; in the name of a schema, leave it out.',
    )
  }
  const { fragments, order } = splitPlaceholders(text)
  // The blank keeps a parameter apart from a question mark before it: Knex reads `??` as a name.
  const sql = fragments.map(fragment => fragment.replaceAll('?', '\\?')).join(' ?')
  return { sql, bindings: valuesInOrder(order, values) }
}
