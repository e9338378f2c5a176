import { randomUUID } from 'node:crypto'
import { BelfryError, show } from '../errors.ts'
import { isPlain } from './job-type.ts'

/** The column's width, `job_id VARCHAR(255)`. */
const LONGEST_ID = 255

/**
 * A UUID version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then random bits. Ids made one after another
 * sort one after another, so that inserting them touches the right edge of the primary key's index only.
 */
export function newJobId(now: Date): string {
  const time = Math.max(0, now.getTime()).toString(16).padStart(12, '0')
  // Node keeps a stock of random bytes for this function; the version and the time are put over some of them.
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}

/**
 * Checks an id or key that a caller chose.
 * @param what the option's name, for the error message
 * @throws BelfryError `BELFRY_INVALID_JOB_ID`
 */
export function requireKey(value: unknown, what: string): string {
  if (typeof value !== 'string' || value.length === 0 || value.length > LONGEST_ID || !isPlain(value)) {
    throw new BelfryError(
      'BELFRY_INVALID_JOB_ID',
      `${what}: expected text of 1 to ${LONGEST_ID} characters without control characters, got ${show(value)}`,
    )
  }
  return value
}
