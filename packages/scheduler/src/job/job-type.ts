import { BelfryError, show } from '../errors.ts'

/** The job types of a chat bot by name; any other snake_case name of one's own is as good. */
export const JobType = {
  FOLLOW_UP_MESSAGE: 'follow_up_message',
  DATA_CLEANUP: 'data_cleanup',
  HEALTH_CHECK: 'health_check',
  ANALYTICS: 'analytics',
  BACKUP: 'backup',
  CUSTOM: 'custom',
} as const

/** The column's width, `job_type VARCHAR(100)`. */
const LONGEST_TYPE = 100

/**
 * Checks a job type's name: 1 to 100 characters, no control characters, no white space at either end.
 * @throws BelfryError `BELFRY_INVALID_JOB_TYPE`
 */
export function requireJobType(type: unknown): string {
  const fits =
    typeof type === 'string' && type.length > 0 && type.length <= LONGEST_TYPE && type === type.trim() && isPlain(type)
  if (!fits) {
    throw new BelfryError(
      'BELFRY_INVALID_JOB_TYPE',
      `job type: expected a name of 1 to ${LONGEST_TYPE} characters such as 'send_invoice', got ${show(type)}`,
    )
  }
  return type
}

/** No control characters (they break logs and, as `\0`, PostgreSQL text) and no lone surrogates (no valid UTF-8). */
export function isPlain(text: string): boolean {
  return !/\p{Cc}/u.test(text) && text.isWellFormed()
}
