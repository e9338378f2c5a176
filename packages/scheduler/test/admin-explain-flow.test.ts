import { defineJob, Scheduler, type Limits } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { gate } from './support/settled.ts'

describeOnBothEngines('why does this job wait for others of its type?', engine => {
  async function make(limits: Limits, handler: (payload: { does?: string }) => unknown = () => {}) {
    const clock = new TestClock()
    const job = defineJob<{ does?: string }>({ type: 'call', limits, maxRetries: 0, handler })
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), clock, jobs: [job] })
    await scheduler.migrate()
    const why = async (jobId: string) => (await scheduler.admin.explain(jobId))?.because
    return { clock, job, scheduler, why }
  }

  it.each<[string, Limits]>([
    ['rate', { rate: { limit: 10, per: '1h' } }],
    ['budget', { budget: { amount: 10, per: '1h' } }],
  ])('a light one behind a heavy one that waits for the %s', async (_, limits) => {
    const { clock, job, scheduler, why } = await make(limits)
    const add = (jobId: string, size: number) => scheduler.scheduleJob(job, {}, { jobId, weight: size, cost: size })
    await add('before', 6)
    await scheduler.runDueJobs()
    const free = new Date(clock.now().getTime() + 3_600_000)
    await add('heavy', 8)
    await add('light', 1)
    await scheduler.runDueJobs()
    expect(await why('heavy')).toMatchObject({ kind: 'rate', until: free })
    expect(await why('light')).toMatchObject({
      kind: 'rate',
      until: free,
      sentence: expect.stringContaining('It waits with heavy, which comes first.') as string,
    })
    await scheduler.cancelJob('heavy')
    expect(await why('light')).toMatchObject({ kind: 'no_handler' })
  })

  it('the others while one is tried after a breaker’s rest', async () => {
    const end = gate()
    const begun: string[] = []
    const limits = { breaker: { failures: 2, rest: '1m' } } as const
    const { clock, job, scheduler, why } = await make(limits, async ({ does = '' }) => {
      begun.push(does)
      if (does === 'fail') throw new Error('down')
      await end.promise
    })
    const opened = gate()
    scheduler.on('breaker:opened', () => opened.open())
    await scheduler.start()
    try {
      await scheduler.scheduleJob(job, { does: 'long' })
      await until('it runs', () => Promise.resolve(begun.includes('long')))
      for (let time = 0; time < 2; time += 1) await scheduler.scheduleJob(job, { does: 'fail' })
      await opened.promise
      await scheduler.scheduleJob(job, { does: 'tried' }, { jobId: 'tried' })
      await scheduler.scheduleJob(job, { does: 'next' }, { jobId: 'next' })
      clock.advance('61s')
      await until('one is tried', () => Promise.resolve(begun.includes('tried')))
      expect(await why('next')).toMatchObject({
        kind: 'limit',
        limit: 1,
        jobs: ['tried'],
        sentence: 'After 2 failures in a row one of the jobs of type call is tried alone: tried.',
      })
      end.open()
      await until('the next one runs', () => Promise.resolve(begun.includes('next')))
    } finally {
      end.open()
      await scheduler.stop()
    }
  })

  it('one behind another of its key that is due at the same instant, in strict order', async () => {
    const { clock, job, scheduler, why } = await make({ perKey: { fifo: true, rate: { limit: 3, per: '1h' } } })
    const add = (jobId: string, weight: number) =>
      scheduler.scheduleJob(job, {}, { jobId, weight, concurrencyKey: 'a', scheduledTime: clock.now() })
    await add('before', 2)
    await scheduler.runDueJobs()
    await add('one', 3)
    await add('two', 1)
    await scheduler.runDueJobs()
    expect(await why('two')).toMatchObject({ kind: 'order', jobs: ['one'] })
  })
})
