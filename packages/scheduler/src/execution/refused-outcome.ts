import type { Queryable } from '../database/database.ts'
import { BelfryError } from '../errors.ts'
import { recordError } from '../job/error-record.ts'

/** SQLSTATE classes 22 and 23: the database cannot store one of the values, however often it is asked. */
export function isDataError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && /^2[23]/.test(error.code)
}

/** Jobs that follow from an attempt could not be stored, and the database had no part in it: a middleware refused them. */
export class FollowingRefused extends Error {
  override readonly name = 'FollowingRefused'

  constructor(cause: unknown) {
    super('the jobs that follow were refused', { cause })
  }
}

/**
 * Stores jobs that follow in the transaction of their attempt.
 * @throws FollowingRefused when it is not the database that fails, but a middleware: it would be asked for ever
 */
export async function refusedUnlessBroken(
  transaction: Queryable,
  store: (transaction: Queryable) => Promise<void>,
): Promise<void> {
  let broken = false
  const watched: Queryable = {
    query: (text, values) =>
      transaction.query<never>(text, values).catch((error: unknown) => {
        broken = true
        throw error
      }),
  }
  try {
    await store(watched)
  } catch (error) {
    throw broken ? error : new FollowingRefused(error)
  }
}

/** Trying again would be refused again. */
export function isRefusal(error: unknown): boolean {
  if (error instanceof FollowingRefused) return true
  return isDataError(error) || (error instanceof BelfryError && !error.code.startsWith('BELFRY_DATABASE_'))
}

/** A job whose outcome the database would not take in full is tried again after so long, if at all. */
const SAFE_PAUSE_MS = 300_000

/** The same row without the values that could not be stored. */
export function withoutData<Row extends object>(row: Row, error: unknown): Row {
  const message = `the outcome's details could not be stored: ${recordError(error).message}`
  const plain = { errorCode: null, errorMessage: message, errorStack: null, log: null, result: null }
  const wake = { wakeInMs: SAFE_PAUSE_MS, wakeAt: null }
  if ('details' in row && row.details) return { ...row, details: { ...row.details, ...plain } }
  return 'errorMessage' in row ? { ...row, ...plain, ...wake } : row
}
