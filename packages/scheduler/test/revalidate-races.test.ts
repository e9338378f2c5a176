import { defineJob, Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import { expect, it } from 'vitest'
import { createTestDatabase } from '../../../test-support/test-database.ts'
import { gate } from './support/settled.ts'

/** What the pages promise: a person who comes back at the very moment at which a follow-up is due. */
async function followUps(
  answered: () => Promise<void> = () => Promise.resolve(),
  sending: Promise<void> = Promise.resolve(),
) {
  const test = await createTestDatabase(6)
  await test.pool.query('create table people (id int primary key, seen int not null)')
  await test.pool.query('insert into people values (42, 0)')
  const asking = gate()
  const sent: number[] = []
  const job = defineJob<{ seen: number }>({
    type: 'follow_up',
    revalidate: async ({ seen }, { tx }) => {
      asking.open()
      const { rows } = await tx.query<{ seen: number }>('select seen from people where id = 42 for share')
      await answered()
      return rows[0]?.seen === seen ? 'run' : { skip: 'she came back' }
    },
    handler: async ({ seen }) => {
      sent.push(seen)
      await sending
    },
  })
  const scheduler = new Scheduler({ database: fromPool(test.pool), jobs: [job] })
  await scheduler.migrate()
  const { jobId } = await scheduler.scheduleJob(job, { seen: 0 })
  return { test, scheduler, jobId, asking, sent }
}

it('she came back first: the check waits for her transaction, and sees it', async () => {
  const { test, scheduler, jobId, asking, sent } = await followUps()
  const client = await test.pool.connect()
  await client.query('begin')
  await client.query('update people set seen = seen + 1 where id = 42')
  const ran = scheduler.runDueJobs()
  await asking.promise
  await client.query('commit')
  client.release()
  await ran
  expect(sent).toEqual([])
  expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'cancelled', errorMessage: 'she came back' })
  await test.drop()
})

it('the claim was first: who would cancel the job waits for it, and learns that it runs', async () => {
  const checked = gate()
  const told = gate()
  const story = await followUps(async () => {
    checked.open()
    // Until her transaction waits for the row of the job.
    for (;;) {
      const { rows } = await story.test.pool.query("select 1 from pg_stat_activity where wait_event_type = 'Lock'")
      if (rows.length > 0) return
    }
  }, told.promise)
  const { test, scheduler, jobId, sent } = story
  const ran = scheduler.runDueJobs()
  await checked.promise
  const client = await test.pool.connect()
  await client.query('begin')
  expect(await scheduler.cancelJob(jobId, { transaction: client })).toBe('requested')
  await client.query('update people set seen = seen + 1 where id = 42')
  await client.query('commit')
  client.release()
  told.open()
  await ran
  expect(sent).toEqual([0])
  await test.drop()
})

it('her transaction has the job first: the claim passes it over', async () => {
  const { test, scheduler, jobId, sent } = await followUps()
  const client = await test.pool.connect()
  await client.query('begin')
  expect(await scheduler.cancelJob(jobId, { transaction: client })).toBe('cancelled')
  expect(await scheduler.runDueJobs()).toBe(0)
  await client.query('commit')
  client.release()
  expect(await scheduler.runDueJobs()).toBe(0)
  expect(sent).toEqual([])
  await test.drop()
})

it('locks taken in the other order clash; the claim gives way, spends nothing and asks again', async () => {
  const { test, scheduler, jobId, asking, sent } = await followUps()
  const client = await test.pool.connect()
  await client.query('begin')
  // So that it is the claim whose wait is found out first.
  await client.query("set local deadlock_timeout = '1min'")
  await client.query('update people set seen = seen + 1 where id = 42')
  const ran = scheduler.runDueJobs()
  await asking.promise
  expect(await scheduler.cancelJob(jobId, { transaction: client })).toBe('cancelled')
  await client.query('commit')
  client.release()
  await ran
  expect(sent).toEqual([])
  expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'cancelled', attempt: 0 })
  await test.drop()
})
