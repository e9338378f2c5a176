import { defineJob, Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { createTestDatabase } from '../../../test-support/test-database.ts'
import { gate, nextSettled } from './support/settled.ts'
import { createPglite } from '../../../test-support/embedded-database.ts'

type Note = { text: string }

it('a small pool: more transactional jobs than connections, the scheduler goes on claiming, settling and renewing', async () => {
  const test = await createTestDatabase(4)
  const database = fromPool(test.pool)
  let open = 0
  let most = 0
  const others = gate()
  const job = defineJob<{ n: number }>({
    type: 'holding',
    transactional: true,
    handler: async ({ n }, { tx, progress }) => {
      open += 1
      most = Math.max(most, open)
      await tx.query('select 1')
      // The first one holds its transaction until ordinary jobs have run beside it.
      if (n === 0) await others.promise
      await progress({ n })
      open -= 1
    },
  })
  let plain = 0
  const ordinary = defineJob({
    type: 'ordinary',
    handler: () => {
      plain += 1
      if (plain === 20) others.open()
    },
  })
  const scheduler = new Scheduler({ database, jobs: [job, ordinary], lease: '1s' })
  await scheduler.start()
  const lost: unknown[] = []
  scheduler.on('job:lease-lost', event => lost.push(event))
  let settled = 0
  const all = gate()
  scheduler.on('job:settled', () => {
    settled += 1
    if (settled === 40) all.open()
  })
  await Promise.all(Array.from({ length: 20 }, (_, n) => scheduler.scheduleJob(job, { n })))
  await Promise.all(Array.from({ length: 20 }, () => scheduler.scheduleJob(ordinary, {})))
  await all.promise
  expect(most).toBe(1)
  expect(lost).toEqual([])
  await scheduler.stop()
  await test.drop()
})

it('on one connection a transaction ends before the lease does, and the attempt counts as timed out', async () => {
  const { fromPglite } = await import('belfry/database')
  const pglite = await createPglite()
  const clock = new TestClock()
  const running = gate()
  const job = defineJob({
    type: 'endless',
    transactional: true,
    maxRetries: 0,
    handler: () => {
      running.open()
      return new Promise(() => {})
    },
  })
  const scheduler = new Scheduler({ database: fromPglite(pglite), clock, jobs: [job], lease: '30s', gracePeriod: 0 })
  await scheduler.start()
  const lost: unknown[] = []
  scheduler.on('job:lease-lost', event => lost.push(event))
  const settled = nextSettled(scheduler)
  await scheduler.scheduleJob(job, {})
  await running.promise
  // The lease is to be renewed now; that waits for the transaction.
  clock.advance('14s')
  clock.advance('1s')
  expect(await settled).toMatchObject({ outcome: 'failed', error: { code: 'BELFRY_JOB_TIMEOUT' } })
  expect(lost).toEqual([])
  const ticking = setInterval(() => clock.advance('1s'), 5)
  await scheduler.stop()
  clearInterval(ticking)
  await pglite.close()
})

it('through postgres.js: transactions and checks at the claim', async () => {
  const { default: postgres } = await import('postgres')
  const { fromPostgresJs } = await import('belfry/database')
  const test = await createTestDatabase()
  const sql = postgres(test.url, { max: 5, onnotice: () => {} })
  await sql`create table notes (text text)`
  const job = defineJob<Note>({
    type: 'note',
    transactional: true,
    maxRetries: 0,
    revalidate: async ({ text }, { tx }) => {
      await tx.query('select 1 from notes for share')
      return text === 'skipped' ? { skip: 'not this one' } : 'run'
    },
    handler: async ({ text }, { tx }) => {
      await tx.query('insert into notes values ($1::text)', [text])
      if (text === 'failing') throw new Error('after the write')
    },
  })
  const scheduler = new Scheduler({ database: fromPostgresJs(sql), jobs: [job] })
  await scheduler.migrate()
  const texts = ['kept', 'failing', 'skipped']
  const ids = await scheduler.scheduleJobs(texts.map(text => ({ job, payload: { text } })))
  await scheduler.runDueJobs()
  expect([...(await sql`select text from notes`)]).toEqual([{ text: 'kept' }])
  const statuses = await Promise.all(ids.map(async id => (await scheduler.getJob(id))?.status))
  expect(statuses).toEqual(['completed', 'failed', 'cancelled'])
  await sql.end()
  await test.drop()
})

it('statements end with the attempt, and a stricter bound of the program’s own stays', async () => {
  const test = await createTestDatabase()
  const { Pool } = await import('pg')
  const strict = new Pool({ connectionString: test.url, max: 5, statement_timeout: 2_000 })
  const seen: unknown[] = []
  const job = defineJob({
    type: 'bounded',
    transactional: true,
    timeout: '1m',
    handler: async (_payload, { tx }) => {
      const bounds = `select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock`
      seen.push((await tx.query(bounds)).rows[0])
    },
  })
  for (const pool of [test.pool, strict]) {
    const scheduler = new Scheduler({ database: fromPool(pool), jobs: [job], clock: new TestClock() })
    await scheduler.migrate()
    await scheduler.scheduleJob(job, {})
    await scheduler.runDueJobs()
  }
  expect(seen).toEqual([
    { statement: '1min', lock: '1min' },
    { statement: '2s', lock: '1min' },
  ])
  await strict.end()
  await test.drop()
})
