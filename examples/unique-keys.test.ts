import { Scheduler } from 'belfry'
import { fromPglite } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { digest, forget, greet, notify, welcome } from './unique-keys.ts'
import { createPglite } from '../test-support/embedded-database.ts'

it('unique keys: notices are collected, a welcome comes once a day, a digest is withdrawn', async () => {
  const pglite = await createPglite()
  const clock = new TestClock('2027-06-01T10:00:00Z')
  const scheduler = new Scheduler({ database: fromPglite(pglite), clock, jobs: [digest, welcome] })
  await scheduler.migrate()
  const first = await notify(scheduler, 'Ada Example', 'a reply')
  clock.advance('5m')
  expect(await notify(scheduler, 'Ada Example', 'a like')).toEqual({ jobId: first.jobId, conflict: true })
  const hello = await greet(scheduler, 'Ada Example')
  clock.advance('10m')
  await scheduler.runDueJobs()
  expect(await scheduler.getJob(first)).toMatchObject({ result: '2 notices: a reply, a like' })
  expect(await greet(scheduler, 'Ada Example')).toEqual({ jobId: hello.jobId, conflict: true })
  await notify(scheduler, 'Ada Example', 'another like')
  expect(await forget(scheduler, 'Ada Example')).toBe('cancelled')
  clock.advance('1d')
  expect(await greet(scheduler, 'Ada Example')).toMatchObject({ conflict: false })
  await pglite.close()
})
