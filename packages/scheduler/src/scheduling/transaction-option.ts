import type { Queryable } from '../database/database.ts'
import type { ScheduleOptions } from './schedule-options.ts'

/** Your own open transaction, for calls that change or read what is there already. */
export type TransactionOption = Pick<ScheduleOptions, 'transaction'>

/** The caller's transaction as statements take it: of a client nothing but its queries is used. */
export function transactionOf({ transaction }: TransactionOption): Queryable | undefined {
  return transaction as Queryable | undefined
}
