import { BelfryError } from '../errors.ts'

/** SQLSTATE class 22: the database cannot store one of the values, however often it is asked. */
export function isDataError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('22')
}

/** Trying again would be refused again. */
export function isRefusal(error: unknown): boolean {
  return isDataError(error) || (error instanceof BelfryError && !error.code.startsWith('BELFRY_DATABASE_'))
}

/** The same row without the values that could not be stored. */
export function withoutData<Row extends object>(row: Row, error: unknown): Row {
  const message = `the outcome's details could not be stored: ${error instanceof Error ? error.message : 'unknown'}`
  const plain = { errorMessage: message, errorStack: null, log: null, result: null }
  if ('details' in row && row.details) return { ...row, details: { ...row.details, ...plain } }
  return 'errorMessage' in row ? { ...row, ...plain } : row
}
