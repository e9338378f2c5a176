import type { Queryable, QueryResult } from '../database.ts'
import { resultOf } from './answers.ts'

/** A statement as Kysely's `CompiledQuery.raw` makes it. */
export interface KyselyStatement {
  readonly sql: string
  readonly parameters: readonly unknown[]
  readonly query: {
    readonly kind: 'RawNode'
    readonly sqlFragments: readonly string[]
    readonly parameters: readonly never[]
  }
  readonly queryId: { readonly queryId: string }
}

/** What is used of a Kysely transaction. Structural: the library does not import Kysely. */
export interface KyselyLike {
  /** Plugins such as CamelCasePlugin would rename columns, and keys inside payloads. */
  withoutPlugins(): { executeQuery(query: KyselyStatement): Promise<{ readonly rows: readonly unknown[] }> }
}

/**
 * A Kysely transaction (or instance) as the `transaction` of scheduling calls:
 * `db.transaction().execute(trx => scheduler.scheduleJob(job, payload, { transaction: fromKysely(trx) }))`.
 * Its plugins are left aside.
 */
export function fromKysely(kysely: KyselyLike): Queryable {
  const plain = kysely.withoutPlugins()
  return {
    async query<Row>(text: string, values: readonly unknown[] = []): Promise<QueryResult<Row>> {
      const answer = await plain.executeQuery({
        sql: text,
        parameters: values,
        query: { kind: 'RawNode', sqlFragments: [text], parameters: [] },
        queryId: { queryId: 'belfry' },
      })
      return resultOf('fromKysely', text, answer)
    },
  }
}
