import type { Queryable } from '../database/database.ts'
import type { SealedColumn } from './sealed-columns.ts'

/** A value that is not encrypted with the current key. */
export interface StaleValue {
  /** Where its row lies while it is locked. */
  readonly place: string
  /** The row's key, as text. */
  readonly key: readonly string[]
  readonly names: readonly string[]
  readonly value: unknown
}

/** The next values of a column that are not encrypted with the current key, locked; what others hold is passed over. */
export async function lockStale(
  transaction: Queryable,
  { table, key, where = 'true', value, names }: SealedColumn,
  request: { currentKey: string; after: readonly string[]; limit: number },
): Promise<StaleValue[]> {
  const { currentKey, after, limit } = request
  const columns = Object.keys(key).join(', ')
  const bounds = Object.values(key).map((type, index) => `$${index + 3}::text::${type}`)
  const found = await transaction.query<StaleValue>(
    `select ctid::text as place, to_jsonb(array[${textOf(Object.keys(key))}]) as key,
       to_jsonb(array[${textOf(names)}]) as names, ${value} as value
     from ${table} where ${where} and ${value} is not null
       and ((${value})->>'$belfry' is null or (${value})->>'key' is distinct from $1::text)
       ${after.length > 0 ? `and (${columns}) > (${bounds.join(', ')})` : ''}
     order by ${columns} limit $2::int for update skip locked`,
    [currentKey, limit, ...after],
  )
  return found.rows
}

/** Stores locked values anew; each is JSON text. */
export async function storeSealed(
  transaction: Queryable,
  { table, assignment }: SealedColumn,
  sealed: readonly { readonly place: string; readonly text: string }[],
): Promise<void> {
  await transaction.query(
    `update ${table} stored set ${assignment} from (
       select (each->>0)::tid as place, (each->>1)::jsonb as value from jsonb_array_elements($1::text::jsonb) as each
     ) fresh where stored.ctid = fresh.place`,
    [JSON.stringify(sealed.map(each => [each.place, each.text]))],
  )
}

function textOf(columns: readonly string[]): string {
  return columns.map(column => `${column}::text`).join(', ')
}
