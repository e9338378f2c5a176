import {
  defineJob,
  JobType,
  NonRetryableError,
  Scheduler,
  SnoozeError,
  systemClock,
  type SchedulerOptions,
} from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { describeOnBothEngines } from './support/engines.ts'
import { gate } from './support/settled.ts'

describeOnBothEngines('running jobs', engine => {
  const make = (options: Partial<SchedulerOptions> = {}) => {
    const clock = new TestClock()
    const scheduler = new Scheduler({
      database: engine.database,
      schema: engine.freshSchema(),
      clock,
      random: () => 0.5,
      ...options,
    })
    return { clock, scheduler }
  }

  it('put off until no time at all, a job fails by itself, and the outcome of its neighbour is kept', async () => {
    const { scheduler } = make()
    await scheduler.migrate()
    scheduler.registerHandler('lost', () => {
      throw new SnoozeError(new Date('next week'))
    })
    scheduler.registerHandler('sound', () => 'done')
    const lost = await scheduler.scheduleJob('lost', { payload: {}, maxRetries: 0 })
    const sound = await scheduler.scheduleJob('sound', { payload: {} })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(sound.jobId)).toMatchObject({ status: 'completed' })
    expect(await scheduler.getJob(lost.jobId)).toMatchObject({ status: 'failed' })
    expect((await scheduler.getAttempts(lost.jobId))[0]).toMatchObject({ errorCode: 'BELFRY_INVALID_TIME' })
  })

  it('runs a job when it is due and not before, and keeps its result and one history row', async () => {
    const seen: unknown[] = []
    const greet = defineJob({
      type: 'greet',
      payload: z.object({ name: z.string() }),
      handler: async ({ name }, { log, progress }) => {
        seen.push(name)
        log(`hello ${name}`)
        await progress({ half: true })
        return { greeted: name }
      },
    })
    const { clock, scheduler } = make({ jobs: [greet] })
    await scheduler.migrate()
    const job = await scheduler.scheduleJob(greet, { name: 'Ada' }, { delay: '48h' })

    clock.advance('47h 59m')
    expect(await scheduler.runDueJobs()).toBe(0)
    clock.advance('1m')
    expect(await scheduler.runDueJobs()).toBe(1)

    expect(seen).toEqual(['Ada'])
    expect(await scheduler.getJob(job)).toMatchObject({
      status: 'completed',
      attempt: 1,
      retryCount: 0,
      result: { greeted: 'Ada' },
      progress: { half: true },
    })
    const attempts = await scheduler.getAttempts(job)
    expect(attempts).toMatchObject([
      { attempt: 1, outcome: 'completed', errorMessage: null, waitMs: 0, log: ['hello Ada'] },
    ])
    expect(attempts[0]?.durationMs).toBeGreaterThanOrEqual(0)
  })

  it('retries after 5, 10 and 20 minutes, then keeps the job as failed, with a history row per attempt', async () => {
    const { clock, scheduler } = make()
    let runs = 0
    scheduler.registerHandler('fragile', () => {
      runs += 1
      throw new Error(`broken ${runs}`)
    })
    await scheduler.migrate()
    const { jobId } = await scheduler.scheduleJob('fragile', { payload: {} })
    for (const pause of ['0s', '300s', '600s', '1200s']) {
      clock.advance(pause)
      expect(await scheduler.runDueJobs()).toBe(1)
    }
    clock.advance('30d')
    expect(await scheduler.runDueJobs()).toBe(0)
    expect(await scheduler.getJob(jobId)).toMatchObject({
      status: 'failed',
      retryCount: 3,
      maxRetries: 3,
      errorMessage: 'broken 4',
    })
    const attempts = await scheduler.getAttempts(jobId)
    expect(attempts.map(each => [each.attempt, each.outcome, each.errorMessage])).toEqual([
      [1, 'failed', 'broken 1'],
      [2, 'failed', 'broken 2'],
      [3, 'failed', 'broken 3'],
      [4, 'failed', 'broken 4'],
    ])
    expect(attempts[0]?.errorStack).toContain('running-jobs.test.ts')
    expect(await scheduler.redriveJob(jobId)).toBe(true)
    expect(await scheduler.runDueJobs()).toBe(1)
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'pending', retryCount: 1, attempt: 5 })
  })

  it('does not retry what says it cannot be helped, and a snooze spends no retry', async () => {
    const { clock, scheduler } = make()
    scheduler.registerHandler('hopeless', () => {
      throw new NonRetryableError('no such account')
    })
    scheduler.registerHandler('sleepy', (_payload, context) => {
      if (context.attempt < 3) throw new SnoozeError('1h', 'not yet')
      return context.retryCount
    })
    await scheduler.migrate()
    const hopeless = await scheduler.scheduleJob('hopeless', { payload: {} })
    const sleepy = await scheduler.scheduleJob('sleepy', { payload: {}, maxRetries: 0 })
    for (let hour = 0; hour < 3; hour += 1) {
      await scheduler.runDueJobs()
      clock.advance('1h')
    }
    expect(await scheduler.getJob(hopeless)).toMatchObject({
      status: 'failed',
      attempt: 1,
      errorMessage: 'no such account',
    })
    expect(await scheduler.getJob(sleepy)).toMatchObject({ status: 'completed', attempt: 3, retryCount: 0, result: 0 })
    expect((await scheduler.getAttempts(sleepy)).map(each => each.outcome)).toEqual(['snoozed', 'snoozed', 'completed'])
  })

  it('leaves jobs of unknown types for a process that knows them, and shows that nobody does', async () => {
    const { scheduler } = make()
    scheduler.registerHandler('known', () => 'done')
    await scheduler.migrate()
    const unknown = await scheduler.scheduleJob('unknown', { payload: { a: 1 } })
    await scheduler.scheduleJob('known', { payload: {} })
    expect(await scheduler.runDueJobs()).toBe(1)
    expect(await scheduler.getJob(unknown)).toMatchObject({ status: 'pending', attempt: 0 })
    const stats = await scheduler.getStats()
    expect(stats.types.find(each => each.jobType === 'unknown')).toMatchObject({
      handled: false,
      counts: { pending: 1 },
    })
    expect(stats).toMatchObject({ due: 1, executions24h: 1, successRate24h: 1 })
  })

  it('fails a job whose stored payload does not fit its definition, and runs its neighbours', async () => {
    const strict = defineJob({ type: 'strict', payload: z.object({ id: z.number() }), handler: ({ id }) => id })
    const { scheduler, clock } = make({ jobs: [strict], schema: 'spoiled' })
    await scheduler.migrate()
    await scheduler.scheduleJob(strict, { id: 1 }, { jobId: 'good' })
    await engine.database.query(
      `insert into spoiled.scheduled_jobs (job_id, job_type, scheduled_time, payload)
       values ('bad', 'strict', $1::text::timestamptz, '{"id": "one"}'), ('odd', 'strict', $1::text::timestamptz, '[]')`,
      [clock.now().toISOString()],
    )
    await scheduler.runDueJobs()
    expect(await scheduler.getJob('good')).toMatchObject({ status: 'completed', result: 1 })
    expect(await scheduler.getJob('bad')).toMatchObject({
      status: 'failed',
      attempt: 1,
      errorMessage: expect.stringContaining('id:'),
    })
    expect(await scheduler.getJob('odd')).toMatchObject({ status: 'failed' })
    expect((await scheduler.getAttempts('bad'))[0]).toMatchObject({ errorCode: 'BELFRY_INVALID_PAYLOAD' })
  })

  it("works with the guide's own calls", async () => {
    const { scheduler, clock } = make()
    const executed: unknown[] = []
    class CustomHandler {
      async execute(payload: unknown): Promise<void> {
        executed.push(payload)
        await Promise.resolve()
      }
    }
    scheduler.registerHandler(JobType.CUSTOM, new CustomHandler())
    await scheduler.migrate()
    const tomorrow = new Date(clock.now().getTime() + 86_400_000)
    const { jobId } = await scheduler.scheduleJob(JobType.CUSTOM, {
      scheduledTime: tomorrow,
      payload: { days_to_keep: 30 },
    })
    clock.advance('1d')
    await scheduler.runDueJobs()
    expect(executed).toEqual([{ days_to_keep: 30 }])
    expect((await scheduler.getJob(jobId))?.status).toBe('completed')
  })

  it('stores a result that cannot be stored as nothing, and says so', async () => {
    const { scheduler } = make()
    scheduler.registerHandler('odd result', () => ({ n: 10n }))
    await scheduler.migrate()
    const job = await scheduler.scheduleJob('odd result', { payload: {} })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(job)).toMatchObject({
      status: 'completed',
      result: null,
      errorMessage: expect.stringContaining('result was not stored'),
    })
  })

  it('does not bring back a job whose unique key has gone to another', async () => {
    const { scheduler } = make()
    scheduler.registerHandler('once', () => {
      throw new NonRetryableError('no')
    })
    await scheduler.migrate()
    const first = await scheduler.scheduleJob('once', { payload: {}, uniqueKey: 'k' })
    await scheduler.runDueJobs()
    const second = await scheduler.scheduleJob('once', { payload: {}, uniqueKey: 'k', delay: '1h' })
    expect(await scheduler.redriveJob(first)).toBe(false)
    expect(await scheduler.getJob(first)).toMatchObject({ status: 'failed' })
    await scheduler.cancelJob(second)
    expect(await scheduler.redriveJob(first)).toBe(true)
  })

  it('a started scheduler is not drained by hand, and a handler that outlives a stop writes nothing', async () => {
    const { scheduler } = make({ clock: systemClock, gracePeriod: 0 })
    const release = gate()
    const begun = gate()
    scheduler.registerHandler('deaf', () => {
      begun.open()
      return release.promise
    })
    await scheduler.start()
    await expect(scheduler.runDueJobs()).rejects.toMatchObject({ code: 'BELFRY_INVALID_OPTION' })
    const job = await scheduler.scheduleJob('deaf', { payload: {} })
    await begun.promise
    await scheduler.stop()
    expect(await scheduler.getJob(job)).toMatchObject({ status: 'pending', retryCount: 0, lastOutcome: 'interrupted' })
    const news: string[] = []
    scheduler.on('job:settled', () => news.push('settled'))
    scheduler.on('job:lease-lost', () => news.push('lost'))
    release.open()
    await new Promise(resolve => setImmediate(resolve))
    expect(news).toEqual([])
    expect(await scheduler.getStats()).toMatchObject({ runners: [] })
  })
})
