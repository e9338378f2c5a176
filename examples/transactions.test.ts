import { Scheduler } from 'belfry'
import { fromPool, fromPostgresJs } from 'belfry/database'
import { drizzle } from 'drizzle-orm/node-postgres'
import knex from 'knex'
import { Kysely, PostgresDialect } from 'kysely'
import { Pool } from 'pg'
import postgres from 'postgres'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../test-support/test-database.ts'
import { until } from '../test-support/until.ts'
import { orderWithDrizzle, orderWithKnex, orderWithKysely, orderWithPostgresJs, type Shop } from './transactions.ts'
import { packEveryOrder } from './trigger.ts'

let database: TestDatabase
let scheduler: Scheduler
let packed: unknown[]
const toClose: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  database = await createTestDatabase()
  scheduler = new Scheduler({ database: fromPool(database.pool) })
  packed = []
  scheduler.registerHandler('pack', payload => packed.push(payload))
  await scheduler.migrate()
  await database.pool.query('create table orders (item text unique)')
})
afterEach(async () => {
  for (const close of toClose.splice(0)) await close()
  await database.drop()
})

const orders: Record<string, () => (item: string) => Promise<void>> = {
  Drizzle: () => {
    const db = drizzle(database.pool)
    return item => orderWithDrizzle(db, scheduler, item)
  },
  Kysely: () => {
    const db = new Kysely<Shop>({
      dialect: new PostgresDialect({ pool: new Pool({ connectionString: database.url }) }),
    })
    toClose.push(() => db.destroy())
    return item => orderWithKysely(db, scheduler, item)
  },
  Knex: () => {
    const db = knex({ client: 'pg', connection: database.url })
    toClose.push(() => db.destroy())
    return item => orderWithKnex(db, scheduler, item)
  },
  'postgres.js': () => {
    const db = postgres(database.url)
    toClose.push(() => db.end())
    return item => orderWithPostgresJs(db, scheduler, item)
  },
}

it.each(Object.entries(orders))('%s: the job exists if and only if the order does', async (_, open) => {
  const order = open()
  await order('kite')
  await expect(order('kite')).rejects.toThrow(/duplicate key|Failed query/)
  await scheduler.runDueJobs()
  expect(packed).toEqual([{ item: 'kite' }])
})

it('a trigger: an order inserted by anybody has its job, and a failed one has none', async () => {
  await database.pool.query(packEveryOrder)
  await database.pool.query(`insert into orders values ('kite'), ('drum')`)
  await expect(database.pool.query(`insert into orders values ('flute'), ('kite')`)).rejects.toThrow(/duplicate key/)
  await scheduler.runDueJobs()
  expect(packed).toHaveLength(2)
  expect(packed).toEqual(expect.arrayContaining([{ item: 'drum' }, { item: 'kite' }]))
})

it('a trigger: the role that inserts needs no more than the page says', async () => {
  await database.pool.query(packEveryOrder)
  const role = `clerk_${database.url.slice(-8)}`
  await database.pool.query(`create role ${role};
    grant insert on orders to ${role};
    grant usage on schema belfry to ${role};
    grant select, insert on belfry.scheduled_jobs_live to ${role}`)
  const client = await database.pool.connect()
  try {
    await client.query(`set role ${role}`)
    await client.query(`insert into orders values ('kite')`)
    await client.query('reset role')
    expect((await scheduler.getStats()).counts.pending).toBe(1)
  } finally {
    await client.query(`reset role; drop owned by ${role}; drop role ${role}`)
    client.release()
  }
})

it('a unique key waits for the other transaction that has just used it', async () => {
  const [first, second] = [await database.pool.connect(), await database.pool.connect()]
  try {
    await first.query('begin')
    await second.query('begin')
    const key = { uniqueKey: 'kite', delay: '1h' } as const
    const job = await scheduler.scheduleJob('pack', { ...key, transaction: first })
    const waiting = scheduler.scheduleJob('pack', { ...key, transaction: second })
    await until('the second one waits', async () => {
      const blocked = await database.pool.query(
        'select from pg_stat_activity where cardinality(pg_blocking_pids(pid)) > 0',
      )
      return blocked.rowCount === 1
    })
    await first.query('commit')
    expect(await waiting).toEqual({ jobId: job.jobId, conflict: true })
    await second.query('commit')
  } finally {
    first.release()
    second.release()
  }
})

it('a whole scheduler runs on postgres.js', async () => {
  const sql = postgres(database.url, { onnotice: () => {} })
  toClose.push(() => sql.end())
  const other = new Scheduler({ database: fromPostgresJs(sql), schema: 'other' })
  const done = new Promise(resolve => other.registerHandler('pack', resolve))
  await other.start()
  await other.scheduleJob('pack', { payload: { item: 'kite' } })
  expect(await done).toEqual({ item: 'kite' })
  await other.stop()
})
