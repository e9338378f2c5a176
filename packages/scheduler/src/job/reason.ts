import { BelfryError, show } from '../errors.ts'

/** Longest reason that is kept. */
const LONGEST_REASON = 1_000

/**
 * Why something is cancelled or paused, as rows and the audit keep it.
 * @throws BelfryError `BELFRY_INVALID_OPTION`
 */
export function requireReason(reason: unknown = 'cancelled'): string {
  if (typeof reason === 'string' && reason.length > 0 && reason.length <= LONGEST_REASON && isStorable(reason)) {
    return reason
  }
  throw new BelfryError(
    'BELFRY_INVALID_OPTION',
    `reason: expected text of 1 to ${LONGEST_REASON} characters, got ${show(reason)}`,
  )
}

/** Lines are fine; PostgreSQL takes no `\0`, and no lone surrogate in the audit's JSON. */
function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}
