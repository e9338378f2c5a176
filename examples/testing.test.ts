import { PGlite } from '@electric-sql/pglite'
import { defineJob, Scheduler } from 'belfry'
import { fromPglite } from 'belfry/database'
import { assertScheduled, formatFailure, runInline, simulate, TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'

it('reminds after two days, and again if the first try fails', async () => {
  const pglite = await PGlite.create()
  const clock = new TestClock('2027-01-01T12:00:00Z')
  const sent: string[] = []
  const remind = defineJob<{ name: string }>({
    type: 'remind',
    backoff: { initial: '5m', jitter: 0 },
    handler: ({ name }, { attempt }) => {
      if (attempt === 1) throw new Error('the mail server is away')
      sent.push(name)
    },
  })
  const scheduler = new Scheduler({ database: fromPglite(pglite), clock, jobs: [remind] })
  await scheduler.migrate()

  const job = await scheduler.scheduleJob(remind, { name: 'Ada Example' }, { delay: '48h' })
  clock.advance('47h')
  expect(await scheduler.runDueJobs()).toBe(0)
  clock.advance('1h')
  expect(await scheduler.runDueJobs()).toBe(1)
  expect(await scheduler.getJob(job)).toMatchObject({ status: 'pending', retryCount: 1 })
  clock.advance('5m')
  expect(await scheduler.runDueJobs()).toBe(1)
  expect(sent).toEqual(['Ada Example'])
  await pglite.close()
})

it('greets whoever signs up, and asks a week later how it goes', async () => {
  const pglite = await PGlite.create()
  const sent: string[] = []
  const scheduler = new Scheduler({ database: fromPglite(pglite) })
  scheduler.registerHandler('greet', async payload => {
    sent.push((payload as { name: string }).name)
    await scheduler.scheduleJob('ask_how_it_goes', { payload, delay: '7d' })
  })
  await scheduler.migrate()
  const inline = runInline(scheduler)

  await scheduler.scheduleJob('greet', { payload: { name: 'Ada Example' } })
  await inline.settled()
  expect(sent).toEqual(['Ada Example'])
  const [later] = await assertScheduled(scheduler, { jobType: 'ask_how_it_goes', times: 1 })
  expect(later?.payload).toEqual({ name: 'Ada Example' })
  await pglite.close()
})

it('keeps its promises whatever happens, in five worlds', async () => {
  const pglite = await PGlite.create()
  for (let seed = 1; seed <= 5; seed += 1) {
    const report = await simulate({ database: fromPglite(pglite), seed })
    if (report.violations.length > 0) throw new Error(formatFailure(report))
  }
  await pglite.close()
})
