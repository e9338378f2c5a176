import { Scheduler } from 'belfry'
import { fromPglite } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { personMoved, remind, reminder } from './delivery-windows.ts'
import { createPglite } from '../test-support/embedded-database.ts'

it('delivery windows: by day where the person is, and again by day when the person has moved', async () => {
  const pglite = await createPglite()
  // A Tuesday, 18:00 in Berlin.
  const clock = new TestClock('2027-06-01T16:00:00Z')
  const scheduler = new Scheduler({ database: fromPglite(pglite), clock, jobs: [reminder] })
  await scheduler.migrate()
  const job = await remind(scheduler, { id: 'user:1' }, 'water the plants')
  const due = async () => (await scheduler.getJob(job))?.scheduledTime.toISOString() ?? ''
  expect((await due()) >= '2027-06-02T07:00' && (await due()) < '2027-06-02T07:20').toBe(true)
  expect((await scheduler.admin.explain(job))?.sentence).toMatch(/outside its delivery window until/)
  await personMoved(scheduler, 'user:1', 'America/New_York')
  // In New York it is still the evening before, when 20:00 has come; so it is 09:00 there.
  expect((await due()) >= '2027-06-02T13:00' && (await due()) < '2027-06-02T13:20').toBe(true)
  clock.advance('22h')
  await scheduler.runDueJobs()
  expect(await scheduler.getJob(job)).toMatchObject({ status: 'completed', result: 'reminded: water the plants' })
  const known = await remind(scheduler, { id: 'user:2', timeZone: 'Asia/Tokyo' }, 'stand up')
  expect(await scheduler.getJob(known)).toMatchObject({ status: 'pending' })
  await pglite.close()
})
