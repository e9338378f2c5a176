import { BelfryError, show } from '../../errors.ts'
import type { QueryResult } from '../database.ts'

/** An array of rows, as postgres.js and Prisma answer, or an object that holds one, as `pg` does. */
type Answer = readonly unknown[] | { readonly rows: readonly unknown[] }

/** Type numbers of arrays (pg_type): int4[], text[], varchar[], uuid[]. */
const ARRAY_TYPES: ReadonlySet<unknown> = new Set([1007, 1009, 1015, 2951])

/**
 * The rows of an answer, after a look at whether they are what PostgreSQL sent: a library told to rename columns or to
 * leave arrays as text would hand the scheduler rows it cannot read.
 * @throws BelfryError `BELFRY_INVALID_OPTION` naming the setting to change
 */
export function resultOf<Row>(source: string, text: string, answer: unknown): QueryResult<Row> {
  const given = answer as Answer
  const rows = Array.isArray(given) ? Array.from(given) : (given as { rows: readonly unknown[] }).rows
  const [first] = rows
  if (typeof first === 'object' && first !== null) {
    refuseRenamedColumns(source, text, first)
    refuseUnreadArrays(source, answer, first)
  }
  return { rows: rows as Row[] }
}

/** Somebody made `jobId` or `JOB_ID` of a statement's `job_id`. Columns that came through a `*` are in no statement. */
function refuseRenamedColumns(source: string, text: string, row: object): void {
  const renamed = Object.keys(row).find(name => {
    if (text.includes(name) || text.toLowerCase().includes(name)) return false
    return text.split(/\W+/).some(word => lettersOf(word) === lettersOf(name))
  })
  if (renamed === undefined) return
  throw new BelfryError(
    'BELFRY_INVALID_OPTION',
    `${source}: the answer has a column ${show(renamed)} that the statement does not have, so results are renamed on ` +
      'their way (postgres.js: transform; Knex: postProcessResponse). Give Belfry an instance that does not do that.',
  )
}

function lettersOf(name: string): string {
  return name.replaceAll('_', '').toLowerCase()
}

/** postgres.js reads arrays only if it was allowed to ask the server for their types. */
function refuseUnreadArrays(source: string, answer: unknown, row: object): void {
  const columns = (answer as { columns?: readonly { name: string; type: number }[] }).columns ?? []
  const unread = columns.find(
    ({ name, type }) => ARRAY_TYPES.has(type) && typeof (row as Record<string, unknown>)[name] === 'string',
  )
  if (!unread) return
  throw new BelfryError(
    'BELFRY_INVALID_OPTION',
    `${source}: the array ${show(unread.name)} came as text. Do not set fetch_types: false on the postgres.js instance.`,
  )
}

/** True for an error that carries a code of PostgreSQL's or of the system's. */
export function isCoded(error: unknown): error is Error & { code: string } {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
}
