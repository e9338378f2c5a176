import { fromPool, type PgPool } from 'belfry/database'
import { expect, it } from 'vitest'
import { createTestDatabase } from '../../../test-support/test-database.ts'

const LISTENER = `select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and query ilike 'listen%'`

it('a connection that is cut off when it has just heard its own word listens to nobody, and is not taken for a listener', async () => {
  const test = await createTestDatabase(4)
  let lost: Promise<unknown> = Promise.resolve()
  const pool: PgPool = {
    options: { max: 4 },
    on: () => {},
    async connect() {
      const client = await test.pool.connect()
      lost = new Promise(resolve => client.once('end', resolve))
      return client
    },
    async query(statement: string | { text: string }, values?: unknown[]) {
      const text = typeof statement === 'string' ? statement : statement.text
      const answer = await test.pool.query(text, values)
      if (text.includes('pg_notify')) {
        await test.pool.query(LISTENER)
        await lost
      }
      return answer
    },
  }
  const listening = fromPool(pool).listen(
    'belfry_story',
    () => {},
    () => {},
  )
  await expect(listening).rejects.toMatchObject({ code: 'BELFRY_DATABASE_UNAVAILABLE' })
  await test.drop()
})
