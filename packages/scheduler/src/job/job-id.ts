import { randomBytes } from 'node:crypto'
import { BelfryError, show } from '../errors.ts'
import { isPlain } from './job-type.ts'

/** The column's width, `job_id VARCHAR(255)`. */
const LONGEST_ID = 255

/**
 * A UUID version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then random bits. Ids made one after another
 * sort one after another, so that inserting them touches the right edge of the primary key's index only.
 */
export function newJobId(now: Date): string {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(Math.max(0, now.getTime()), 0, 6)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
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
