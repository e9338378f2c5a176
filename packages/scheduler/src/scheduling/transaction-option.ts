import { BelfryError, show } from '../errors.ts'
import type { Queryable } from '../database/database.ts'
import { requireOptions } from '../job/known-names.ts'
import type { ScheduleOptions } from './schedule-options.ts'

/** Your own open transaction, for calls that change or read what is there already. */
export type TransactionOption = Pick<ScheduleOptions, 'transaction'>

/**
 * The caller's transaction as statements take it: of a client nothing but its queries is used.
 * @throws BelfryError `BELFRY_INVALID_OPTION`
 */
export function transactionOf(options: TransactionOption): Queryable | undefined {
  const { transaction } = requireOptions(options, 'options')
  if (transaction === undefined) return undefined
  if (typeof transaction?.query !== 'function') {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `transaction: expected an open transaction, such as a client after begin, got ${show(transaction)}`,
    )
  }
  // A pool tells how many clients it has; a handle and an embedded database open transactions of their own.
  if ('totalCount' in transaction || 'transaction' in transaction) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      'transaction: expected the client or transaction that your work is done with, got a whole database, whose ' +
        'statements are committed one by one; the job would stay when your work is rolled back',
    )
  }
  return transaction as Queryable | undefined
}
