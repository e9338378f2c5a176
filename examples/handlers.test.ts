import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../test-support/test-database.ts'
import { pushes } from './batch-handlers.ts'
import { followUps, heardFrom } from './still-relevant.ts'
import { transfer } from './transactional-handler.ts'

let database: TestDatabase

beforeEach(async () => {
  database = await createTestDatabase()
})
afterEach(() => database.drop())

it('batch handlers: many messages are few calls, and each has its own end', async () => {
  const calls: number[] = []
  const push = pushes({
    send: messages => {
      calls.push(messages.length)
      const statuses = { ada: 'sent', bo: 'busy', cy: 'gone' } as const
      return Promise.resolve(messages.map(({ token }) => ({ status: statuses[token as keyof typeof statuses] })))
    },
  })
  const scheduler = new Scheduler({ database: fromPool(database.pool), jobs: [push] })
  await scheduler.migrate()
  const ids = await scheduler.scheduleJobs(
    ['ada', 'bo', 'cy'].map(token => ({ job: push, payload: { token, text: 'hello' } })),
  )
  await scheduler.runDueJobs()
  expect(calls).toEqual([3])
  const jobs = await Promise.all(ids.map(id => scheduler.getJob(id)))
  expect(jobs[0]).toMatchObject({ status: 'completed', result: { status: 'sent' } })
  expect(jobs[1]).toMatchObject({ status: 'pending', lastOutcome: 'snoozed', retryCount: 0 })
  expect(jobs[2]).toMatchObject({ status: 'pending', lastOutcome: 'failed', retryCount: 1 })
})

it('transactional handler: the money moves and the job completes, or neither', async () => {
  await database.pool.query('create table accounts (name text primary key, cents int not null check (cents >= 0))')
  await database.pool.query("insert into accounts values ('Ada Example', 100), ('Bo Example', 0)")
  const scheduler = new Scheduler({ database: fromPool(database.pool), jobs: [transfer] })
  await scheduler.migrate()
  const good = await scheduler.scheduleJob(transfer, { from: 'Ada Example', to: 'Bo Example', cents: 60 })
  await scheduler.runDueJobs()
  const bad = await scheduler.scheduleJob(transfer, { from: 'Ada Example', to: 'Bo Example', cents: 60 })
  await scheduler.runDueJobs()
  expect(await scheduler.getJob(good)).toMatchObject({ status: 'completed' })
  expect(await scheduler.getJob(bad)).toMatchObject({ status: 'pending', retryCount: 1 })
  const { rows } = await database.pool.query('select cents from accounts order by name')
  expect(rows).toEqual([{ cents: 40 }, { cents: 60 }])
  expect((await scheduler.admin.listJobs({ jobType: 'send_receipt' })).jobs).toHaveLength(1)
})

it('still relevant: whoever came back gets no follow-up, whoever sleeps gets it later', async () => {
  await database.pool.query(
    `create table people (name text primary key, last_seen timestamptz not null default now(), asleep_until timestamptz)`,
  )
  await database.pool.query(
    `insert into people (name, asleep_until)
     values ('ada', null), ('bo', null), ('cy', now() + interval '5 hours'), ('di', null)`,
  )
  const sent: string[] = []
  const followUp = followUps(person => Promise.resolve(void sent.push(person)))
  const scheduler = new Scheduler({ database: fromPool(database.pool), jobs: [followUp] })
  await scheduler.migrate()
  const { rows } = await database.pool.query('select name, last_seen::text from people')
  for (const { name, last_seen: silentSince } of rows) {
    await scheduler.scheduleJob(followUp, { person: name, silentSince }, { jobId: `follow-up of ${name}` })
  }
  await heardFrom(database.pool, scheduler, 'ada')
  // Somebody who forgot about the follow-up.
  await database.pool.query("update people set last_seen = now() + interval '1 s' where name = 'bo'")
  await scheduler.runDueJobs()
  expect(sent).toEqual(['di'])
  const status = async (name: string) => {
    const job = await scheduler.getJob(`follow-up of ${name}`)
    return [job?.status, job?.attempt, job?.errorMessage]
  }
  expect(await status('ada')).toEqual(['cancelled', 0, 'they came back'])
  expect(await status('bo')).toEqual(['cancelled', 1, 'they came back'])
  expect(await status('cy')).toEqual(['pending', 0, null])
})
