import { AsyncLocalStorage } from 'node:async_hooks'
import { BelfryError } from '../errors.ts'
import type { Database, Queryable, QueryResult } from './database.ts'

/** What is used of a PGlite transaction. */
export interface PgliteTransaction {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
}

/** What is used of PGlite. Structural: the library does not import it. */
export interface Pglite {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
  transaction<T>(work: (transaction: PgliteTransaction) => Promise<T>): Promise<T>
  listen(channel: string, onNotification: (payload: string) => void): Promise<() => Promise<void>>
}

/**
 * A database handle over the caller's own PGlite. PGlite has one connection: a statement sent past an open transaction
 * would wait for ever for itself, so that is refused with an error instead.
 */
export function fromPglite(pglite: Pglite): Database {
  const insideTransaction = new AsyncLocalStorage<{ open: boolean }>()
  const refuseNesting = () => {
    if (insideTransaction.getStore()?.open) {
      throw new BelfryError(
        'BELFRY_NESTED_QUERY',
        'a statement was sent to the embedded database while a transaction is open in the same call chain. ' +
          'Use the transaction handle (for scheduling calls: the transaction option).',
      )
    }
  }
  return {
    kind: 'embedded',
    maxConnections: 1,
    async query<Row>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>> {
      refuseNesting()
      const result = await pglite.query(text, values as unknown[])
      return { rows: result.rows as Row[] }
    },
    async transaction<T>(work: (transaction: Queryable) => Promise<T>): Promise<T> {
      refuseNesting()
      const scope = { open: true }
      try {
        return await pglite.transaction(transaction =>
          insideTransaction.run(scope, () => work(fromPgliteTransaction(transaction))),
        )
      } finally {
        scope.open = false
      }
    },
    async listen(channel, onHint) {
      const unlisten = await pglite.listen(channel, onHint)
      return () => unlisten()
    },
  }
}

function fromPgliteTransaction(transaction: PgliteTransaction): Queryable {
  return {
    async query<Row>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>> {
      const result = await transaction.query(text, values as unknown[])
      return { rows: result.rows as Row[] }
    },
  }
}
