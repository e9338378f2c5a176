import type { Database, Queryable } from './database.ts'
import { quoteIdentifier } from './identifier.ts'

/** An index that is built while others go on writing to its table. */
export interface OnlineIndex {
  readonly name: string
  readonly unique?: boolean
  /** The table, in the plan's schema. */
  readonly on: string
  /** What follows the table's name: `(columns) where …`, `using gin (…)`. */
  readonly definition: string
}

/** What came of it: names of indexes. `left`: another process is at it. */
export interface OnlineIndexResult {
  readonly built: readonly string[]
  readonly left: readonly string[]
}

/** The statement that builds an online index. */
export function onlineIndexSql(schema: string, index: OnlineIndex, how: { concurrently: boolean }): string {
  const name = quoteIdentifier(index.name, 'index')
  const table = `${quoteIdentifier(schema, 'schema')}.${quoteIdentifier(index.on, 'table')}`
  const create = `create ${index.unique ? 'unique ' : ''}index ${how.concurrently ? 'concurrently ' : ''}`
  return `${create}if not exists ${name} on ${table} ${index.definition}`
}

/**
 * Builds the online indexes that are not there or whose building was cut off, one after the other. Whoever is killed in
 * the middle leaves an invalid index, which the next start drops and builds anew; so this can be repeated at will.
 *
 * One process does it. The others do not wait: a statement that waits for a lock holds a snapshot, and the building waits
 * for every snapshot that is older than itself, which is a deadlock that nobody would detect. They go on without.
 */
export async function buildOnlineIndexes(
  database: Database,
  schema: string,
  indexes: readonly OnlineIndex[],
): Promise<OnlineIndexResult> {
  // An up-to-date database is only read.
  const wanted = indexes.length > 0 ? await withoutValid(database, schema, indexes) : []
  if (wanted.length === 0) return { built: [], left: [] }
  return database.transaction(async lock => {
    const { rows } = await lock.query<{ mine: boolean }>(
      'select pg_try_advisory_xact_lock(hashtextextended($1::text, 0)) as mine',
      [`${schema}: online indexes`],
    )
    const mine = rows[0]?.mine === true && !(await underConstruction(lock, schema, indexes))
    if (!mine) return { built: [], left: wanted.map(({ name }) => name) }
    const missing = await withoutValid(lock, schema, indexes)
    // The lock lasts as long as its transaction, which is idle meanwhile. Its last statement must be one without a
    // snapshot: that of a select lives on with its portal, and the building would wait for it for ever.
    await lock.query('set local idle_in_transaction_session_timeout = 0')
    const concurrently = database.kind === 'server' && database.maxConnections > 1
    const connection = concurrently ? database : lock
    for (const index of missing) {
      const leftover = `${quoteIdentifier(schema, 'schema')}.${quoteIdentifier(index.name, 'index')}`
      await connection.query(`drop index ${concurrently ? 'concurrently ' : ''}if exists ${leftover}`)
      await connection.query(onlineIndexSql(schema, index, { concurrently }))
    }
    return { built: missing.map(({ name }) => name), left: [] }
  })
}

async function withoutValid(
  connection: Queryable,
  schema: string,
  indexes: readonly OnlineIndex[],
): Promise<readonly OnlineIndex[]> {
  const { rows } = await connection.query<{ name: string }>(
    `select i.relname::text as name
     from pg_index x join pg_class i on i.oid = x.indexrelid join pg_namespace s on s.oid = i.relnamespace
     where x.indisvalid and s.nspname = $1::text and i.relname = any($2::text[])`,
    [schema, indexes.map(({ name }) => name)],
  )
  const valid = new Set(rows.map(({ name }) => name))
  return indexes.filter(({ name }) => !valid.has(name))
}

/** A process that lost its lock, with its connection, may still have one of them under way on the server. */
async function underConstruction(
  connection: Queryable,
  schema: string,
  indexes: readonly OnlineIndex[],
): Promise<boolean> {
  const { rows } = await connection.query(
    `select 1 from pg_stat_progress_create_index p
       join pg_class i on i.oid = p.index_relid join pg_namespace s on s.oid = i.relnamespace
     where p.datname = current_database() and s.nspname = $1::text and i.relname = any($2::text[])`,
    [schema, indexes.map(({ name }) => name)],
  )
  return rows.length > 0
}
