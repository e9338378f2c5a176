import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import { Pool } from 'pg'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../test-support/test-database.ts'
import { until } from '../test-support/until.ts'
import { ask, schedule } from './budgets.ts'
import { call, callApi } from './flow-control.ts'
import { stopOnSignal } from './graceful-shutdown.ts'
import { remindInTwoDays } from './minimal.ts'
import { reporting } from './recurring.ts'
import { openAccount } from './transactional.ts'

let database: TestDatabase

beforeEach(async () => {
  database = await createTestDatabase()
})
afterEach(() => database.drop())

it('minimal: the reminder waits for its time, and runs when it has come', async () => {
  const scheduler = await remindInTwoDays(database.pool)
  const [{ job_id: jobId }] = (await database.pool.query('select job_id from belfry.scheduled_jobs')).rows
  expect(await scheduler.getJob(jobId)).toMatchObject({
    jobType: 'remind',
    status: 'pending',
    payload: { userId: '42' },
  })
  await scheduler.changeJob(jobId, { delay: 0 })
  const job = await until('it has run', async () => {
    const found = await scheduler.getJob(jobId)
    return found?.status === 'completed' && found
  })
  expect(job.result).toEqual({ reminded: '42' })
  await scheduler.stop()
})

it('transactional: no account, no mail', async () => {
  const scheduler = new Scheduler({ database: fromPool(database.pool) })
  await scheduler.migrate()
  await database.pool.query('create table accounts (name text unique)')
  await openAccount(database.pool, scheduler, 'Ada Example')
  await expect(openAccount(database.pool, scheduler, 'Ada Example')).rejects.toThrow(/duplicate key/)
  expect((await scheduler.getStats()).counts.pending).toBe(1)
})

it('recurring: stored at start', async () => {
  const scheduler = reporting(fromPool(database.pool))
  await scheduler.start()
  const schedules = await scheduler.getSchedules()
  expect(schedules.map(each => [each.scheduleId, each.rule, each.timeZone])).toEqual([
    ['ping', 'every 300000ms', 'UTC'],
    ['report', '30 6 * * *', 'Europe/Berlin'],
  ])
  await scheduler.stop()
})

it('graceful shutdown: SIGTERM stops the scheduler and ends the pool', async () => {
  const pool = new Pool({ connectionString: database.url })
  const scheduler = new Scheduler({ database: fromPool(pool) })
  await scheduler.start()
  stopOnSignal(scheduler, pool)
  process.emit('SIGTERM')
  await until('the pool has ended', () => Promise.resolve(pool.ended))
  expect(scheduler.running).toBe(false)
})

it('flow control: calls of one account share its limits, and a busy account is asked again later', async () => {
  let answer = 429
  const server = createServer((_request, response) => {
    response.writeHead(answer, { 'retry-after': '0' }).end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const scheduler = new Scheduler({ database: fromPool(database.pool), jobs: [callApi] })
  await scheduler.start()
  const snoozed = new Promise<void>(resolve =>
    scheduler.on('job:settled', ({ outcome }) => {
      if (outcome === 'snoozed') resolve()
    }),
  )
  await call(scheduler, 'account:1', `http://127.0.0.1:${port}/`)
  await snoozed
  answer = 200
  const job = await until('it has run', async () => (await scheduler.admin.listJobs({ status: 'completed' })).jobs[0])
  expect(await scheduler.getJob(job)).toMatchObject({ result: 200, retryCount: 0, priority: 10 })
  await scheduler.stop()
  server.close()
})

it('budgets.ts: customers take turns, and what a question did not use goes back', async () => {
  const scheduler = new Scheduler({ database: fromPool(database.pool), jobs: [ask] })
  await scheduler.migrate()
  for (let n = 0; n < 5; n += 1) await schedule(scheduler, 'customer:1', `Question ${n}?`)
  await schedule(scheduler, 'customer:2', 'Where is my parcel?')
  expect(await scheduler.runDueJobs()).toBe(6)
  const jobs = await scheduler.admin.listJobs({ status: 'completed', jobType: 'ask_model' })
  expect(jobs.jobs).toHaveLength(6)
  await expect(schedule(scheduler, 'customer:2', 'x'.repeat(20_000))).rejects.toMatchObject({
    code: 'BELFRY_COST_EXCEEDS_BUDGET',
  })
})
