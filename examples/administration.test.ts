import { NonRetryableError, Scheduler } from 'belfry'
import { fromPglite } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { afterTheOutage, forget, onHoliday } from './administration.ts'
import { createPglite } from '../test-support/embedded-database.ts'

it('administration: finds what failed, gives it a new life, says why a job waits, waits for a person and forgets one', async () => {
  const pglite = await createPglite()
  const clock = new TestClock('2027-01-01T12:00:00Z')
  const scheduler = new Scheduler({ database: fromPglite(pglite), clock })
  await scheduler.migrate()
  scheduler.registerHandler('mail', (_payload, { attempt, jobId }) => {
    if (jobId === 'broken') throw new NonRetryableError('no address 17')
    if (attempt === 1) throw new NonRetryableError('provider down')
  })
  await scheduler.scheduleJob('mail', { jobId: 'one', subjects: ['user:42'] })
  await scheduler.scheduleJob('mail', { jobId: 'two', subjects: ['user:7'] })
  await scheduler.scheduleJob('mail', { jobId: 'broken' })
  await scheduler.scheduleJob('mail', { tags: ['newsletter'], subjects: ['user:42'], delay: '1d' })
  await scheduler.runDueJobs()
  expect(await afterTheOutage(scheduler, 'ada@example.org')).toEqual([
    '2 × provider down',
    'redriven 2 of 2',
    '1 × no address <n>',
    'It is not due before 2027-01-02 12:00:00 UTC. No process that runs jobs is alive.',
  ])
  expect(await scheduler.runDueJobs()).toBe(2)
  const isBack = await onHoliday(scheduler, '7')
  await scheduler.scheduleJob('mail', { jobId: 'later', subjects: ['user:7'] })
  expect(await scheduler.runDueJobs()).toBe(0)
  expect(await isBack()).toBe(true)
  expect(await scheduler.runDueJobs()).toBe(1)
  expect(await forget(scheduler, '42')).toBe(2)
  expect((await scheduler.admin.listJobs()).jobs.map(job => job.jobId).toSorted()).toEqual(['broken', 'later', 'two'])
  await pglite.close()
})
