/** Every code an error of this library can carry; `docs/errors.md` explains each with its way out. */
export type BelfryErrorCode =
  | 'BELFRY_INVALID_OPTION'
  | 'BELFRY_INVALID_DURATION'
  | 'BELFRY_INVALID_TIME'
  | 'BELFRY_INVALID_PAYLOAD'
  | 'BELFRY_PAYLOAD_TOO_LARGE'
  | 'BELFRY_CANNOT_APPEND'
  | 'BELFRY_UNKNOWN_PAYLOAD_KEY'
  | 'BELFRY_PAYLOAD_UNREADABLE'
  | 'BELFRY_ROW_UNREADABLE'
  | 'BELFRY_INVALID_JOB_TYPE'
  | 'BELFRY_INVALID_JOB_ID'
  | 'BELFRY_DUPLICATE_HANDLER'
  | 'BELFRY_DUPLICATE_JOB_ID'
  | 'BELFRY_INVALID_DEPENDENCY'
  | 'BELFRY_JOB_NOT_FOUND'
  | 'BELFRY_COST_EXCEEDS_BUDGET'
  | 'BELFRY_INVALID_RULE'
  | 'BELFRY_INVALID_TIME_ZONE'
  | 'BELFRY_DATABASE_UNAVAILABLE'
  | 'BELFRY_DATABASE_READ_ONLY'
  | 'BELFRY_DATABASE_PERMISSION'
  | 'BELFRY_DATABASE_NOT_MIGRATED'
  | 'BELFRY_SCHEMA_NEWER'
  | 'BELFRY_MIGRATION_CHANGED'
  | 'BELFRY_FOREIGN_TABLE'
  | 'BELFRY_NESTED_QUERY'
  | 'BELFRY_NEXT_CALLED_AGAIN'
  | 'BELFRY_WEBHOOK_FAILED'
  | 'BELFRY_WORKER_MODULE'
  | 'BELFRY_WORKER_CRASHED'
  | 'BELFRY_WORKER_OUT_OF_MEMORY'
  | 'BELFRY_DUPLICATE_STEP'
  | 'BELFRY_STEP_RESULT'
  | 'BELFRY_ATTEMPT_SUSPENDED'
  | 'BELFRY_ATTEMPT_ENDED'
  | 'BELFRY_INVALID_ANSWER'
  | 'BELFRY_JOB_FORGOTTEN'
  | 'BELFRY_NOT_IN_TRANSACTION'
  | 'BELFRY_JOB_TIMEOUT'
  | 'BELFRY_JOB_CANCELLED'
  | 'BELFRY_LEASE_LOST'
  | 'BELFRY_WAIT_TIMEOUT'
  | 'BELFRY_WAIT_ABORTED'
  | 'BELFRY_SHUTDOWN'
  | 'BELFRY_NOT_SCHEDULED'

/**
 * The one error class the library throws for things a caller can act on.
 * `message` says what was expected, what came and the way out; `code` is stable across versions.
 */
export class BelfryError extends Error {
  override readonly name = 'BelfryError'
  readonly code: BelfryErrorCode

  constructor(code: BelfryErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/** Shows a rejected value in an error message: short, quoted, never the whole of something large. Never throws. */
export function show(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : plainText(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

/** An object may have no working `toString` (`Object.create(null)`). */
function plainText(value: unknown): string {
  try {
    return String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}
