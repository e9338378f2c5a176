import type { Database, QueryResult } from 'belfry/database'
import { Client } from 'pg'

/** What spares a server work that a simulation has no use for: durability, planning anew, and accounts of its doings. */
const SETTINGS = [
  'synchronous_commit = off',
  'plan_cache_mode = force_generic_plan',
  'track_activities = off',
  'track_counts = off',
  'update_process_title = off',
]

/**
 * A server database through one connection, for simulations: faster than the embedded one. A session hears its own
 * NOTIFY before the statement that sent it is answered, so hints come in a fixed order too.
 */
export async function connectOnce(url: string): Promise<Database & { end(): Promise<void> }> {
  const client = new Client({ connectionString: url, pipeline: true })
  await client.connect()
  for (const setting of SETTINGS) await client.query(`set ${setting}`)
  // Prepared by name: planning is most of what these statements cost.
  const names = new Map<string, string>()
  const nameOf = (text: string) => {
    const name = names.get(text) ?? `statement_${names.size}`
    names.set(text, name)
    return name
  }
  const run = async <Row>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>> => {
    const { rows } = await client.query(values ? { name: nameOf(text), text, values: [...values] } : text)
    return { rows }
  }
  return {
    kind: 'server',
    maxConnections: 1,
    query: run,
    async transaction(work) {
      let begun = false
      const runWithin = async <Row>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>> => {
        if (begun) return run<Row>(text, values)
        begun = true
        // In one round trip with the first statement.
        const [, result] = await Promise.all([client.query('begin'), run<Row>(text, values)])
        return result
      }
      const end = async (how: 'commit' | 'rollback') => {
        if (begun) await client.query(how)
      }
      try {
        const result = await work({ query: runWithin })
        await end('commit')
        return result
      } catch (error) {
        await end('rollback')
        throw error
      }
    },
    async listen(channel, onHint) {
      const hear = (message: { channel: string; payload?: string | undefined }) => {
        if (message.channel === channel) onHint(message.payload ?? '')
      }
      client.on('notification', hear)
      await client.query(`listen ${channel}`)
      return async () => {
        client.off('notification', hear)
        await client.query(`unlisten ${channel}`)
      }
    },
    end: () => client.end(),
  }
}
