import { BelfryError } from '../errors.ts'

/** SQLSTATE and system codes by what they mean for somebody who starts a program. */
const UNAVAILABLE = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'ETIMEDOUT',
  'ECONNRESET',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENOENT',
])
const UNAVAILABLE_STATES = new Set(['57P01', '57P02', '57P03', '53300', '08001', '08006', '08000', '08003'])
const LOGIN_STATES = new Set(['28P01', '28000', '3D000'])

/**
 * Turns a driver's error into one that says what is wrong and what to do; errors it does not know come back unchanged.
 * Never carries a connection string, since that holds a password.
 */
export function describeDatabaseError(error: unknown): unknown {
  if (error instanceof BelfryError) return error
  const code = codeOf(error)
  const text = error instanceof Error ? error.message : String(error)
  if (code === '25006') {
    return new BelfryError(
      'BELFRY_DATABASE_READ_ONLY',
      'the database is read-only (a standby, or default_transaction_read_only). Point DATABASE_URL at the primary.',
      { cause: error },
    )
  }
  if (code === '42501') {
    return new BelfryError(
      'BELFRY_DATABASE_PERMISSION',
      `the database refused: ${text}. Give the role the right to create in the schema, or migrate with another role.`,
      { cause: error },
    )
  }
  if (code !== undefined && (UNAVAILABLE.has(code) || UNAVAILABLE_STATES.has(code))) {
    return new BelfryError('BELFRY_DATABASE_UNAVAILABLE', `the database cannot be reached (${code}). Is it running?`, {
      cause: error,
    })
  }
  if (code !== undefined && LOGIN_STATES.has(code)) {
    return new BelfryError('BELFRY_DATABASE_UNAVAILABLE', `the database refused the login (${code}): ${text}`, {
      cause: error,
    })
  }
  return error
}

/**
 * SQLSTATE classes of what concerns one statement and its rows: cardinality, data, constraints, a transaction that gave
 * way, a lock or a statement's time that ran out, a trigger's own error.
 */
const REFUSED_ALONE = /^(21|22|23|40|55|P0|57014)/

/** Whether other statements may do well although this one failed: the database is there, and it understood. */
export function isRefusedAlone(error: unknown): boolean {
  if (error instanceof BelfryError) return !error.code.startsWith('BELFRY_DATABASE_')
  if (error instanceof TypeError || error instanceof RangeError) return true
  return REFUSED_ALONE.test(codeOf(error) ?? '')
}

/** An error's own code, or that of the first error inside an AggregateError (Node's "happy eyeballs" connect). */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if ('code' in error && typeof error.code === 'string') return error.code
  return error instanceof AggregateError ? codeOf(error.errors[0]) : undefined
}
