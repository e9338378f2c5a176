import { BelfryError, show } from '../errors.ts'

/** How much of a list, and from where. */
export interface PageOptions {
  /** Default 50, at most 1,000. */
  readonly limit?: number
  /** `next` of the page before. */
  readonly after?: string
}

const DEFAULT_LIMIT = 50
const LARGEST_LIMIT = 1_000

/** @throws BelfryError `BELFRY_INVALID_OPTION` */
export function requireLimit(limit: unknown = DEFAULT_LIMIT): number {
  if (typeof limit === 'number' && Number.isInteger(limit) && limit >= 1 && limit <= LARGEST_LIMIT) return limit
  throw new BelfryError(
    'BELFRY_INVALID_OPTION',
    `limit: expected a whole number from 1 to ${LARGEST_LIMIT}, got ${show(limit)}`,
  )
}

/** A place in a list as text that says nothing to its reader and may stand in an address. */
export function cursorOf(parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url')
}

/**
 * The parts of a cursor.
 * @param patterns what each of them must look like
 * @throws BelfryError `BELFRY_INVALID_OPTION` for what no page answered
 */
export function partsOf(cursor: unknown, patterns: readonly RegExp[]): string[] {
  const parts = decode(cursor)
  if (parts?.length === patterns.length && patterns.every((pattern, index) => pattern.test(parts[index] ?? ''))) {
    return parts
  }
  throw new BelfryError('BELFRY_INVALID_OPTION', `after: expected the next of an earlier page, got ${show(cursor)}`)
}

function decode(cursor: unknown): string[] | undefined {
  try {
    const parts: unknown = JSON.parse(Buffer.from(String(cursor), 'base64url').toString())
    return Array.isArray(parts) && parts.every(part => typeof part === 'string') ? parts : undefined
  } catch {
    return undefined
  }
}
