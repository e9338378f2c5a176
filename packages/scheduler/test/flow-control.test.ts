import { RetryAfterError, Scheduler, defineJob, parseDuration, type JobDefinition, type Limits } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'
import { gate, nextSettled } from './support/settled.ts'

const START = '2027-03-01T12:00:00Z'

describeOnBothEngines('limits over all processes', engine => {
  /** Schedulers of one schema, as several processes would be. */
  async function processes(count: number, schema: string, job: JobDefinition<{ n: number }>): Promise<Scheduler[]> {
    const all = Array.from(
      { length: count },
      () => new Scheduler({ database: engine.database, schema, jobs: [job], pollInterval: '200ms' }),
    )
    for (const scheduler of all) await scheduler.start()
    return all
  }

  it('never more jobs of a type run than its concurrency, whatever the number of processes', async () => {
    const schema = engine.freshSchema()
    let running = 0
    let most = 0
    let done = 0
    const all = gate()
    const job = defineJob<{ n: number }>({
      type: 'narrow',
      limits: { concurrency: 2 },
      handler: async () => {
        running += 1
        most = Math.max(most, running)
        await new Promise(resolve => setImmediate(resolve))
        running -= 1
        done += 1
        if (done === 30) all.open()
      },
    })
    const schedulers = await processes(3, schema, job)
    await schedulers[0]?.scheduleJobs(Array.from({ length: 30 }, (_, n) => ({ job, payload: { n } })))
    await all.promise
    for (const scheduler of schedulers) await scheduler.stop()
    expect(most).toBe(2)
  })

  it('a rate is a sliding window: no more starts in any span of it, weights counted', async () => {
    const clock = new TestClock(START)
    const starts: { at: number; weight: number }[] = []
    const job = defineJob<{ weight: number }>({
      type: 'rated',
      limits: { rate: { limit: 3, per: '10s' } },
      handler: ({ weight }) => {
        starts.push({ at: clock.now().getTime(), weight })
      },
    })
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), jobs: [job], clock })
    await scheduler.migrate()
    for (const weight of [1, 1, 2, 1, 3, 1])
      await scheduler.scheduleJob(job, { weight }, { weight, delay: starts.length })
    for (let second = 0; second < 60 && starts.length < 6; second += 1) {
      await scheduler.runDueJobs()
      clock.advance('1s')
    }
    expect(starts).toHaveLength(6)
    for (const { at } of starts) {
      const within = starts.filter(each => each.at > at - parseDuration('10s') && each.at <= at)
      expect(within.reduce((sum, each) => sum + each.weight, 0)).toBeLessThanOrEqual(3)
    }
  })

  it('a breaker rests the type after failures in a row, tries one job, and goes on when it completes', async () => {
    const clock = new TestClock(START)
    let works = false
    let tries = 0
    const job = defineJob<{ n: number }>({
      type: 'fragile',
      maxRetries: 0,
      limits: { breaker: { failures: 3, rest: '5m' } },
      handler: () => {
        tries += 1
        if (!works) throw new Error('the other side is down')
      },
    })
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), jobs: [job], clock })
    await scheduler.migrate()
    const news: string[] = []
    scheduler.on('breaker:opened', ({ until }) => news.push(`opened until ${until.toISOString()}`))
    scheduler.on('breaker:closed', () => news.push('closed'))
    for (let n = 0; n < 3; n += 1) await scheduler.scheduleJob(job, { n })
    await scheduler.runDueJobs()
    expect(news).toEqual(['opened until 2027-03-01T12:05:00.000Z'])
    for (let n = 0; n < 5; n += 1) await scheduler.scheduleJob(job, { n })
    await scheduler.runDueJobs()
    expect(tries).toBe(3)
    works = true
    clock.advance('5m')
    await scheduler.runDueJobs()
    expect(news.at(-1)).toBe('closed')
    expect(tries).toBe(8)
  })

  const TYPES_WITH_KEYS: [string, Limits][] = [
    ['limits per key', { perKey: { concurrency: 5 } }],
    ['limits of its own alone', { concurrency: 5 }],
  ]

  it.each(TYPES_WITH_KEYS)(
    '"later" from the other side rests one key of a type with %s, and spends no retry',
    async (_, limits) => {
      const clock = new TestClock(START)
      const ran: string[] = []
      const job = defineJob<{ who: string }>({
        type: 'polite',
        limits,
        handler: ({ who }, { attempt }) => {
          if (who === 'first' && attempt === 1) throw new RetryAfterError('1m', 'HTTP 429', { rests: 'key' })
          ran.push(who)
        },
      })
      const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), jobs: [job], clock })
      await scheduler.migrate()
      const { jobId } = await scheduler.scheduleJob(job, { who: 'first' }, { concurrencyKey: 'guild:1' })
      await scheduler.runDueJobs()
      await scheduler.scheduleJob(job, { who: 'same key' }, { concurrencyKey: 'guild:1' })
      await scheduler.scheduleJob(job, { who: 'other key' }, { concurrencyKey: 'guild:2' })
      await scheduler.runDueJobs()
      expect(ran).toEqual(['other key'])
      const [waits] = (await scheduler.admin.listJobs({ status: 'pending' })).jobs.filter(each => each.jobId !== jobId)
      expect((await scheduler.admin.explain(waits?.jobId ?? ''))?.because).toMatchObject({
        kind: 'paused',
        reason: 'the other side asked for it',
      })
      clock.advance('1m')
      await scheduler.runDueJobs()
      expect(ran.toSorted()).toEqual(['first', 'other key', 'same key'])
      expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'completed', retryCount: 0 })
    },
  )

  it.each(TYPES_WITH_KEYS)(
    'a pause holds everything, a type, or a key of a type with %s, in every process, and says so; resuming lets it go on',
    async (_, limits) => {
      const schema = engine.freshSchema()
      const ran: string[] = []
      const job = defineJob<{ who: string }>({
        type: 'pausable',
        limits,
        handler: ({ who }) => void ran.push(who),
      })
      const plain = defineJob<{ who: string }>({ type: 'plain', handler: ({ who }) => void ran.push(who) })
      const scheduler = new Scheduler({ database: engine.database, schema, jobs: [job, plain] })
      await scheduler.migrate()
      await scheduler.admin.pause({ jobType: 'plain' }, { actor: 'ada', reason: 'mail server moves' })
      await scheduler.admin.pause({ jobType: 'pausable', concurrencyKey: 'guild:1' })
      const inVain = scheduler.admin.pause({ jobType: 'plain', concurrencyKey: 'guild:1' })
      await expect(inVain).rejects.toMatchObject({ code: 'BELFRY_INVALID_OPTION' })
      const { jobId } = await scheduler.scheduleJob(plain, { who: 'plain' })
      await scheduler.scheduleJob(job, { who: 'guild 1' }, { concurrencyKey: 'guild:1' })
      await scheduler.scheduleJob(job, { who: 'guild 2' }, { concurrencyKey: 'guild:2' })
      await scheduler.runDueJobs()
      expect(ran).toEqual(['guild 2'])
      expect((await scheduler.admin.explain(jobId))?.because).toMatchObject({
        kind: 'paused',
        reason: 'mail server moves',
      })
      expect(await scheduler.admin.listPauses()).toHaveLength(2)
      expect(await scheduler.admin.resume({ jobType: 'plain' })).toBe(true)
      expect(await scheduler.admin.resume({ jobType: 'plain' })).toBe(false)
      expect(await scheduler.admin.resume({ jobType: 'pausable', concurrencyKey: 'guild:1' })).toBe(true)
      await scheduler.runDueJobs()
      expect(ran.toSorted()).toEqual(['guild 1', 'guild 2', 'plain'])
      const acts = (await scheduler.admin.listAudit()).entries.map(entry => entry.action)
      expect(acts.filter(action => action === 'pause')).toHaveLength(2)
      await scheduler.admin.pause()
      await scheduler.scheduleJob(plain, { who: 'everything' })
      await scheduler.runDueJobs()
      expect(ran).not.toContain('everything')
      await scheduler.admin.resume()
      await scheduler.runDueJobs()
      expect(ran).toContain('everything')
    },
  )

  it('a paused type is not run in passing either, when a running process schedules a due job itself', async () => {
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema() })
    scheduler.registerHandler('still', () => 'ran')
    scheduler.registerHandler('lively', () => 'ran')
    await scheduler.start()
    await scheduler.admin.pause({ jobType: 'still' })
    const lively = nextSettled(scheduler, event => event.jobType === 'lively')
    const still = await scheduler.scheduleJob('still', { payload: {} })
    await scheduler.scheduleJob('lively', { payload: {} })
    await lively
    expect(await scheduler.getJob(still)).toMatchObject({ status: 'pending', attempt: 0 })
    const ran = nextSettled(scheduler, event => event.jobType === 'still')
    await scheduler.admin.resume({ jobType: 'still' })
    expect(await ran).toMatchObject({ outcome: 'completed' })
    await scheduler.stop()
  })

  it('a process that dies with a slot of a key leaves it to the next', async () => {
    const clock = new TestClock(START)
    const schema = engine.freshSchema()
    const ran: number[] = []
    const job = defineJob<{ n: number }>({
      type: 'keyed',
      limits: { perKey: { concurrency: 1 } },
      handler: ({ n }) => void ran.push(n),
    })
    const scheduler = new Scheduler({ database: engine.database, schema, jobs: [job], clock })
    await scheduler.migrate()
    for (const n of [0, 1, 2]) await scheduler.scheduleJob(job, { n }, { concurrencyKey: 'one', delay: n })
    clock.advance('1s')
    const { claimJobs } = await import('../src/store/claim-jobs.ts')
    const { admitJobs } = await import('../src/store/admit-jobs.ts')
    const { registerRunner } = await import('../src/store/register-runner.ts')
    const { tablesIn } = await import('../src/store/tables.ts')
    const { noMeter } = await import('../src/runtime/process-meter.ts')
    const tables = tablesIn(schema)
    const runnerId = '00000000-0000-4000-8000-000000000001'
    const now = clock.now().toISOString()
    const card = { host: 'gone', processId: 1, version: '0', jobTypes: ['keyed'], leaseMs: 30_000 }
    await registerRunner(engine.database, tables, { runnerId, ...card, now, load: noMeter.read() })
    const [first] = await claimJobs(engine.database, tables, {
      runnerId,
      leaseToken: '00000000-0000-4000-8000-000000000002',
      wanted: [{ jobType: 'keyed', most: 1 }],
      limit: 1,
      lookAheadMs: 0,
      now,
    })
    await admitJobs(engine.database, tables, [first?.job_id ?? ''])
    await scheduler.runDueJobs()
    expect(ran).toEqual([])
    clock.advance('31s')
    const next = new Scheduler({ database: engine.database, schema, jobs: [job], clock })
    const last = nextSettled(next, () => ran.length === 3)
    await next.start()
    const ticking = setInterval(() => clock.advance('1s'), 5)
    await last
    clearInterval(ticking)
    await next.stop()
    expect(ran).toEqual([0, 1, 2])
  })

  it('bad limits are refused where they are written', async () => {
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema() })
    await scheduler.migrate()
    expect(() => defineJob({ type: 'x', limits: { concurrency: 0 } })).toThrow(/limits of x.concurrency/)
    expect(() => defineJob({ type: 'x', limits: { rate: { limit: 5_000, per: '1m' } } })).toThrow(/1 to 1000/)
    expect(() => defineJob({ type: 'x', limits: { breaker: { failures: 1, rest: 'soon' } } })).toThrow(/breaker.rest/)
    await expect(scheduler.admin.setLimits('x', { rate: { limit: 1, per: 0 } })).rejects.toThrow(/1 ms or more/)
    await expect(scheduler.scheduleJob('x', { weight: 0 })).rejects.toThrow(/weight/)
    await expect(scheduler.scheduleJob('x', { concurrencyKey: 'k'.repeat(200) })).rejects.toThrow(/150 characters/)
  })
})
