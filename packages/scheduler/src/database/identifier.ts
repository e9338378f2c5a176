import { BelfryError, show } from '../errors.ts'

/** PostgreSQL cuts longer names off silently (NAMEDATALEN - 1). */
const LONGEST_NAME_BYTES = 63

/**
 * A name quoted for use in a statement's text; names are never spliced any other way.
 * @param what what the name is of, for the error message
 * @throws BelfryError `BELFRY_INVALID_OPTION` for empty, too long, or unstorable names
 */
export function quoteIdentifier(name: string, what: string): string {
  if (
    typeof name !== 'string' ||
    name.length === 0 ||
    Buffer.byteLength(name) > LONGEST_NAME_BYTES ||
    /\p{Cc}/u.test(name)
  ) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `${what}: expected a PostgreSQL name of 1 to ${LONGEST_NAME_BYTES} bytes, got ${show(name)}`,
    )
  }
  return `"${name.replaceAll('"', '""')}"`
}

/** Text quoted as a literal, for the few statements that take no parameters (DDL, DO blocks). */
export function quoteLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
