import type { Queryable, QueryResult } from '../database/database.ts'
import { attemptEnded } from '../durable/journal.ts'

/**
 * The transaction as somebody's code gets it: it answers while it is open, and never after. The connection behind it goes
 * back to its pool then, and a handler that was left behind would write into the transaction of somebody else.
 */
export class AttemptTransaction implements Queryable {
  readonly #jobId: string
  #open: Queryable | undefined

  constructor(jobId: string, transaction?: Queryable) {
    this.#jobId = jobId
    this.#open = transaction
  }

  open(transaction: Queryable): void {
    this.#open = transaction
  }

  close(): void {
    this.#open = undefined
  }

  async query<Row>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>> {
    if (!this.#open) throw attemptEnded(this.#jobId, undefined)
    return this.#open.query<Row>(text, values)
  }
}

/**
 * Bounds what the statements of a transaction may take, where the server counts it: a statement that is under way keeps a
 * rollback waiting.
 */
export async function boundStatements(
  transaction: Queryable,
  bounds: { statementMs: number; lockMs: number },
): Promise<void> {
  const ms = (value: number) => String(Math.max(1, Math.ceil(value)))
  await transaction.query(
    `select set_config('statement_timeout', $1::text, true), set_config('lock_timeout', $2::text, true)`,
    [ms(bounds.statementMs), ms(bounds.lockMs)],
  )
}
