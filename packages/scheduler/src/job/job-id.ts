import { randomUUID } from 'node:crypto'
import { BelfryError, show } from '../errors.ts'
import { isPlain } from './job-type.ts'

/** The column's width, `job_id VARCHAR(255)`. */
const LONGEST_ID = 255

/** Largest number of the twelve bits between the time and the random part. */
const LAST_OF_A_MS = 0xfff

/**
 * A source of UUIDs version 7: 48 bits of Unix milliseconds, a count within the millisecond (RFC 9562, section 6.2, method
 * 1), then 62 random bits. Ids of one source sort in the order they were made, also when the clock is set back: jobs that
 * are due at once run in that order, and inserting them touches the right edge of the primary key's index only.
 */
export function jobIdSource(): (now: Date) => string {
  let lastMs = 0
  let count = 0
  return now => {
    const ms = Math.max(0, now.getTime())
    if (ms > lastMs) [lastMs, count] = [ms, 0]
    else if (count < LAST_OF_A_MS) count += 1
    else [lastMs, count] = [lastMs + 1, 0]
    const time = lastMs.toString(16).padStart(12, '0')
    // Node keeps a stock of random bytes for this function; what goes before the variant is put over some of them.
    const random = randomUUID().slice(18)
    return `${time.slice(0, 8)}-${time.slice(8)}-7${count.toString(16).padStart(3, '0')}${random}`
  }
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
