import { Client } from 'pg'
import type { Connection } from './line.ts'

/** A connection to a server, for a world of its own. */
export interface ServerConnection extends Connection {
  end(): Promise<void>
}

/** Statements are prepared by their text: planning is most of what they cost. */
export async function connectToServer(url: string): Promise<ServerConnection> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query('set plan_cache_mode = force_generic_plan')
  await client.query('set synchronous_commit = off')
  const names = new Map<string, string>()
  return {
    query: async (text, values = []) => {
      if (values.length === 0) return client.query(text)
      const name = names.get(text) ?? `statement_${names.size}`
      names.set(text, name)
      return client.query({ name, text, values: [...values] })
    },
    end: () => client.end(),
  }
}

/**
 * Nobody but the world itself tidies its tables: autovacuum comes by the real clock, and rows that are read in no order
 * would come in another one than the last time.
 */
export async function keepAutovacuumOut(connection: Connection): Promise<void> {
  await connection.query(
    `do $$ declare one regclass; begin
    for one in select oid from pg_class where relkind = 'r' and relnamespace::regnamespace::text !~ '^(pg_|information_)'
    loop execute format('alter table %s set (autovacuum_enabled = false)', one); end loop;
  end $$`,
    [],
  )
}
