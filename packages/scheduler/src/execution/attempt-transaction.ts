import type { Queryable, QueryResult } from '../database/database.ts'
import { BelfryError, show } from '../errors.ts'
import { attemptEnded } from '../durable/journal.ts'

/** Rolling back to a savepoint does not. */
const ENDS_TRANSACTION = /^\s*(commit|end|abort|rollback(?!\s+((work|transaction)\s+)?to\b)|prepare\s+transaction)\b/i

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
    if (ENDS_TRANSACTION.test(text)) {
      throw new BelfryError(
        'BELFRY_INVALID_OPTION',
        `a statement in the transaction of job ${this.#jobId}: expected one that leaves it open, got ${show(text)}. ` +
          'Return to commit it, throw to roll it back; for parts of it there are savepoints',
      )
    }
    return this.#open.query<Row>(text, values)
  }
}

/**
 * Bounds what the statements of a transaction may take, where the server counts it: a statement that is under way keeps a
 * rollback waiting. A stricter bound of the program's own stays.
 */
export async function boundStatements(
  transaction: Queryable,
  bounds: { statementMs: number; lockMs: number },
): Promise<void> {
  const ms = (value: number) => Math.max(1, Math.ceil(value))
  await transaction.query(
    `select set_config('statement_timeout', ${stricter('statement_timeout', '$1::int')}, true),
       set_config('lock_timeout', ${stricter('lock_timeout', '$2::int')}, true)`,
    [ms(bounds.statementMs), ms(bounds.lockMs)],
  )
}

/** A setting of 0 is none. */
function stricter(setting: string, ms: string): string {
  const present = `current_setting('${setting}')`
  return `case when date_part('epoch', ${present}::interval) * 1000 between 1 and ${ms} then ${present}
         else (${ms})::text end`
}
