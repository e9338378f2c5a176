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
