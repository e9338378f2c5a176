import { CancelError, defineJob, RetryAfterError, Scheduler, type SchedulerOptions } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'

describeOnBothEngines('what other schedulers promise: failing, finishing and being forgotten', engine => {
  const make = async (options: Partial<SchedulerOptions> = {}) => {
    const clock = new TestClock()
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock, random: () => 0.5, ...options })
    await scheduler.migrate()
    return { clock, scheduler }
  }

  it('a fixed pause, and a pause made from the error', async () => {
    const fixed = defineJob({ type: 'fixed', backoff: { initial: '7s', factor: 1 }, handler: () => fail('no') })
    const chosen = defineJob({
      type: 'chosen',
      backoff: (retry, error) => retry * Number((error as Error).message),
      handler: () => fail('3000'),
    })
    const { clock, scheduler } = await make({ jobs: [fixed, chosen] })
    const dueIn = async (jobId: string) => {
      await scheduler.runDueJobs()
      const due = (await scheduler.getJob(jobId))?.scheduledTime.getTime() ?? 0
      const pause = due - clock.now().getTime()
      clock.advance(pause)
      return pause
    }
    const first = await scheduler.scheduleJob(fixed, {})
    expect([await dueIn(first.jobId), await dueIn(first.jobId)]).toEqual([7_000, 7_000])
    await scheduler.cancelJob(first)
    const second = await scheduler.scheduleJob(chosen, {})
    expect([await dueIn(second.jobId), await dueIn(second.jobId)]).toEqual([3_000, 6_000])
  })

  it('retries are those of the job, else those of its type', async () => {
    const twice = defineJob({ type: 'twice', maxRetries: 2, handler: () => fail('no') })
    const { scheduler } = await make({ jobs: [twice] })
    const own = await scheduler.scheduleJob(twice, {}, { maxRetries: 0 })
    const typed = await scheduler.scheduleJob(twice, {})
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(own)).toMatchObject({ status: 'failed', maxRetries: 0, attempt: 1 })
    expect(await scheduler.getJob(typed)).toMatchObject({ status: 'pending', maxRetries: 2, retryCount: 1 })
  })

  const circle: { self?: unknown } = {}
  circle.self = circle
  it.each<[string, unknown, string]>([
    ['text', 'out of ink', 'out of ink'],
    ['a plain object', { why: 'ink' }, 'a thrown object: {"why":"ink"}'],
    ['null', null, 'a thrown object: null'],
    ['a circle', circle, 'a thrown object'],
    ['an error without a message', new RangeError(), 'RangeError'],
  ])('a handler may throw %s, and it is kept as text', async (_story, thrown, kept) => {
    const { scheduler } = await make()
    scheduler.registerHandler('print', () => Promise.reject(thrown as Error))
    const job = await scheduler.scheduleJob('print', { maxRetries: 0 })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(job)).toMatchObject({ status: 'failed', errorMessage: kept })
  })

  it.each<[string, unknown]>([
    ['a text', 'done'],
    ['a number', 0],
    ['a list', [1, { two: 2 }]],
    ['false', false],
    ['null', null],
  ])('a handler may return %s, and it comes back as it was', async (_story, result) => {
    const { scheduler } = await make()
    scheduler.registerHandler('print', () => result)
    const job = await scheduler.scheduleJob('print', {})
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(job)).toMatchObject({ status: 'completed', result })
  })

  it('"later" from the other side costs no retry, and the error before a success is only in the history', async () => {
    const { clock, scheduler } = await make()
    scheduler.registerHandler('post', (_payload, { attempt }) => {
      if (attempt === 1) throw new RetryAfterError(new Date('2027-01-01T12:00:20Z'), 'too many requests')
      if (attempt === 2) throw new Error('broken pipe')
      return 'posted'
    })
    const { jobId } = await scheduler.scheduleJob('post', { maxRetries: 1 })
    for (const pause of ['0s', '20s', '5m']) {
      clock.advance(pause)
      expect(await scheduler.runDueJobs()).toBe(1)
    }
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'completed', retryCount: 1, result: 'posted' })
    const attempts = await scheduler.getAttempts(jobId)
    expect(attempts.map(each => [each.outcome, each.errorMessage])).toEqual([
      ['snoozed', 'too many requests'],
      ['failed', 'broken pipe'],
      ['completed', null],
    ])
  })

  it('a handler can end its own job as cancelled', async () => {
    const { scheduler } = await make()
    scheduler.registerHandler('remind', () => Promise.reject(new CancelError('she came back')))
    const job = await scheduler.scheduleJob('remind', {})
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(job)).toMatchObject({ status: 'cancelled', errorMessage: 'she came back' })
  })

  it('a failing job does not hold up its neighbours, and jobs made by jobs are run before the drain ends', async () => {
    const { scheduler } = await make()
    scheduler.registerHandler('bad', () => fail('no'))
    scheduler.registerHandler('count', async payload => {
      const { n } = payload as { n: number }
      if (n > 0) await scheduler.scheduleJob('count', { payload: { n: n - 1 } })
    })
    await scheduler.scheduleJobs([{ job: 'bad' }, { job: 'count', payload: { n: 3 } }])
    expect(await scheduler.runDueJobs()).toBe(5)
    expect((await scheduler.getStats()).counts).toMatchObject({ completed: 4, pending: 1 })
  })

  it('due jobs start in the order of their times', async () => {
    const { clock, scheduler } = await make()
    const order: unknown[] = []
    scheduler.registerHandler('step', payload => {
      order.push(payload)
    })
    for (const minute of [3, 1, 2]) await scheduler.scheduleJob('step', { payload: minute, delay: minute * 60_000 })
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(order).toEqual([1, 2, 3])
  })

  it('a job nobody could start in time ends as cancelled, and is not deleted', async () => {
    const { clock, scheduler } = await make()
    scheduler.registerHandler('greet', () => 'good morning')
    const job = await scheduler.scheduleJob('greet', { expireAfter: '2h' })
    clock.advance('3h')
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(job)).toMatchObject({ status: 'cancelled', errorMessage: 'expired', result: null })
  })

  it('finished jobs are forgotten when their time is over, pending ones never', async () => {
    const { clock, scheduler } = await make({
      retention: { completed: '1d', cancelled: '2d', failed: '3d', history: '4d' },
    })
    scheduler.registerHandler('good', () => 'done')
    scheduler.registerHandler('bad', () => fail('no'))
    await scheduler.scheduleJob('good', { jobId: 'completed' })
    await scheduler.scheduleJob('bad', { jobId: 'failed', maxRetries: 0 })
    await scheduler.scheduleJob('unknown', { jobId: 'pending' })
    await scheduler.scheduleJob('good', { jobId: 'cancelled', delay: '1h' })
    await scheduler.runDueJobs()
    await scheduler.cancelJob('cancelled')
    const left: string[][] = []
    for (const _day of [1, 2, 3]) {
      clock.advance('1d')
      clock.advance('1m')
      await scheduler.prune()
      const jobs = await Promise.all(['completed', 'cancelled', 'failed', 'pending'].map(id => scheduler.getJob(id)))
      left.push(jobs.flatMap(job => job?.jobId ?? []))
    }
    expect(left).toEqual([['cancelled', 'failed', 'pending'], ['failed', 'pending'], ['pending']])
    expect(await scheduler.prune()).toEqual({ completed: 0, failed: 0, cancelled: 0, history: 0 })
  })
})

function fail(message: string): never {
  throw new Error(message)
}
