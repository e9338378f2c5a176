import { BelfryError, show } from '../errors.ts'
import { isStorableInstant } from '../runtime/storable-instant.ts'

/** Text without `Z` or an offset would mean the process's zone. */
const ISO_INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/

/**
 * Milliseconds since 1970 of an instant that a caller gave.
 * @throws BelfryError `BELFRY_INVALID_TIME`
 */
export function requireInstant(value: unknown, name: string): number {
  const text = typeof value === 'string' && ISO_INSTANT.test(value) ? value : undefined
  const ms = value instanceof Date ? value.getTime() : Date.parse(text ?? '')
  if (isStorableInstant(ms)) return ms
  throw new BelfryError(
    'BELFRY_INVALID_TIME',
    `${name}: expected a Date or text such as 2027-01-31T09:00:00Z between 1970 and 3000, got ${show(value)}`,
  )
}
