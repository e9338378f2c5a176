/** PostgreSQL's dates and Node's end elsewhere; a year outside these is a slip of the unit. */
const EARLIEST = Date.UTC(1970, 0, 1)
const LATEST = Date.UTC(3000, 0, 1)

/** Whether an instant, in milliseconds since 1970, is one that jobs may have: from 1970 up to the year 3000. */
export function isStorableInstant(ms: number): boolean {
  return ms >= EARLIEST && ms < LATEST
}
