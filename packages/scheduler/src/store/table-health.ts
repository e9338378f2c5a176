import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

export interface TableHealthRow {
  readonly name: string
  readonly live: number
  readonly dead: number
  /** With indexes. */
  readonly bytes: number
  /** Milliseconds since the last vacuum, by hand or by itself; null: never. */
  readonly vacuum_ms: number | null
}

export interface DatabaseHealth {
  readonly tables: readonly TableHealthRow[]
  /** Milliseconds the oldest open transaction of this database has been open; null when there is no other. */
  readonly oldest_transaction_ms: number | null
}

/**
 * The state of the tables that jobs go through. A role sees transactions of other roles only if it is a member of
 * `pg_read_all_stats`.
 */
export async function readDatabaseHealth(database: Queryable, tables: Tables): Promise<DatabaseHealth> {
  const names = [tables.live, tables.finished, tables.attempts]
  const health = await database.query<TableHealthRow>(
    `select stats.relname::text as name, stats.n_live_tup::float8 as live, stats.n_dead_tup::float8 as dead,
       pg_total_relation_size(stats.relid)::float8 as bytes,
       (extract(epoch from clock_timestamp() - greatest(stats.last_vacuum, stats.last_autovacuum)) * 1000)::float8
         as vacuum_ms
     from unnest($1::text[]) with ordinality as named(name, place)
     join pg_stat_user_tables stats on stats.relid = named.name::regclass order by named.place`,
    [names],
  )
  const oldest = await database.query<{ ms: number | null }>(
    `select (extract(epoch from clock_timestamp() - min(begun)) * 1000)::float8 as ms from (
       select xact_start as begun from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null
           and backend_type = 'client backend'
       union all
       select prepared from pg_prepared_xacts where database = current_database()) open`,
  )
  return { tables: health.rows, oldest_transaction_ms: oldest.rows[0]?.ms ?? null }
}
