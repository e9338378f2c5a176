import type { Queryable, QueryResult } from '../database/database.ts'

/** Runs a statement whose plan a connection may keep (`Queryable.queryKept`), where that is known; as ever elsewhere. */
export function keepingPlan<Row>(
  queryable: Queryable,
  text: string,
  values: readonly unknown[],
): Promise<QueryResult<Row>> {
  return queryable.queryKept ? queryable.queryKept<Row>(text, values) : queryable.query<Row>(text, values)
}
