import { Scheduler } from 'belfry'
import { fromPool, type PgPool } from 'belfry/database'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../test-support/test-database.ts'
import { until } from '../../../test-support/until.ts'

let database: TestDatabase
let pool: Pool
beforeAll(async () => {
  database = await createTestDatabase()
  // One connection, so that its statements can be counted.
  pool = new Pool({ connectionString: database.url, max: 1 })
})
afterAll(async () => {
  await pool.end()
  await database.drop()
})

const kept = async () => {
  const { rows } = await pool.query<{ count: number }>(
    `select count(*)::int as count from pg_prepared_statements where name like 'belfry_%'`,
  )
  return rows[0]?.count ?? 0
}

/** What a pooler in transaction mode tells its clients: a process id that is no backend's. */
class Pooler {
  asked = 0
  readonly options = pool.options
  readonly query: PgPool['query'] = pool.query.bind(pool)
  readonly on: PgPool['on'] = pool.on.bind(pool)

  async connect() {
    this.asked += 1
    const client = await pool.connect()
    return Object.defineProperty(client, 'processID', { value: 1, configurable: true })
  }
}

describe('plans of statements that store jobs', () => {
  it('are not kept behind a pooler, which hands connections on', async () => {
    const pooler = new Pooler()
    const scheduler = new Scheduler({ database: fromPool(pooler), schema: 'pooled' })
    await scheduler.migrate()
    await scheduler.scheduleJob('work', { payload: { n: 1 } })
    const before = pooler.asked
    await scheduler.scheduleJob('work', { payload: { n: 2 } })
    await scheduler.scheduleJobs([{ job: 'work' }, { job: 'work' }])
    expect(pooler.asked).toBe(before)
    expect(await kept()).toBe(0)
    await pool.end()
    pool = new Pool({ connectionString: database.url, max: 1 })
  })

  it('are kept on the connections of a server, and outlive changes of its tables', async () => {
    const scheduler = new Scheduler({ database: fromPool(pool), schema: 'direct' })
    await scheduler.migrate()
    let stored = 0
    await until('a kept plan', async () => {
      await scheduler.scheduleJob('work', { payload: { n: stored } })
      stored += 1
      return (await kept()) > 0
    })
    await pool.query('alter table direct.scheduled_jobs add column of_the_house text')
    await scheduler.scheduleJob('work', { payload: { n: stored } })
    await pool.query('drop schema direct cascade')
    await scheduler.migrate()
    const { jobId } = await scheduler.scheduleJob('work', { payload: { n: 'after all' } })
    expect(await scheduler.getJob(jobId)).toMatchObject({ payload: { n: 'after all' } })
  })
})
