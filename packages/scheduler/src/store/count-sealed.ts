import type { Queryable } from '../database/database.ts'
import { finishedColumns, unfinishedColumns } from './sealed-columns.ts'
import type { Tables } from './tables.ts'

export interface SealedCountRow {
  /** Null: not encrypted. */
  readonly key: string | null
  readonly unfinished: number
  readonly finished: number
}

/** Counts what is stored by the key it is encrypted with. Reads all of it. */
export async function countSealed(database: Queryable, tables: Tables): Promise<SealedCountRow[]> {
  const counted = await database.query<SealedCountRow>(
    `select key, sum(unfinished)::float8 as unfinished, sum(finished)::float8 as finished from (
       ${[
         ...unfinishedColumns(tables).map(column => counting(column, 'count(*) as unfinished, 0 as finished')),
         ...finishedColumns(tables).map(column => counting(column, '0 as unfinished, count(*) as finished')),
       ].join('\n       union all ')}
     ) as counted group by key order by key nulls first`,
  )
  return counted.rows
}

function counting(column: { table: string; value: string; where?: string }, counts: string): string {
  const { table, value, where = 'true' } = column
  return `select case when (${value})->>'$belfry' is not null then (${value})->>'key' end as key, ${counts}
       from ${table} where ${where} and ${value} is not null group by 1`
}
