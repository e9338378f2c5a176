import type { Database, QueryResult } from 'belfry/database'
import { Client } from 'pg'

/**
 * A server database through one connection, for simulations: faster than the embedded one. A session hears its own
 * NOTIFY before the statement that sent it is answered, so hints come in a fixed order too.
 */
export async function connectOnce(url: string): Promise<Database & { end(): Promise<void> }> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query('set plan_cache_mode = force_generic_plan')
  await client.query('set synchronous_commit = off')
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
      await client.query('begin')
      try {
        const result = await work({ query: run })
        await client.query('commit')
        return result
      } catch (error) {
        await client.query('rollback')
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
