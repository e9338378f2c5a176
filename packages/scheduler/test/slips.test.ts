import { defineBatchJob, defineJob, Scheduler, type SchedulerOptions } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { missingTables } from '../src/database/missing-tables.ts'
import { describeOnBothEngines } from './support/engines.ts'

type Call = (scheduler: Scheduler) => unknown

const JOB = defineJob<{ n: number }>({ type: 'known', limits: { concurrency: 1 } })

/** What the compiler refuses, and plain JavaScript would not notice. */
const SLIPS: [string, Call, RegExp][] = [
  ['the payload in place of the options', s => s.scheduleJob('mail', { to: 'ada' } as never), /got "to"/],
  ['a third argument', s => s.scheduleJob('mail' as never, { to: 'ada' } as never, { delay: '1h' }), /third argument/],
  ['an option of another library', s => s.scheduleJob(JOB, { n: 1 }, { startAfter: 5 } as never), /got "startAfter"/],
  ['an option of a job that cannot be changed', s => s.changeJob('a', { tags: ['b'] } as never), /got "tags"/],
  ['a slip in a list', s => s.scheduleJobs([{ job: 'mail', dealy: 5 } as never]), /got "dealy"/],
  ['nothing in a list', s => s.scheduleJobs([null as never]), /name of a job type, or what defineJob/],
  [
    'a job without its type',
    s => s.scheduleJobs([{ jobType: 'mail' } as never]),
    /name of a job type, or what defineJob/,
  ],
  [
    'a transaction of one job of many',
    s => s.scheduleJobs([{ job: 'a', transaction: {} } as never]),
    /beside the jobs/,
  ],
  ['a function in place of a job', s => s.scheduleJob((() => 1) as never, {}), /name of a job type, or what defineJob/],
  ['a slip in limits', s => s.admin.setLimits('known', { concurency: 1 } as never), /got "concurency"/],
  [
    'a slip in limits of keys',
    s => s.admin.setLimits('known', { perKey: { fofi: true } } as never),
    /perKey: .*got "fofi"/,
  ],
  [
    'a slip in a rate',
    s => s.admin.setLimits('known', { rate: { limit: 1, every: 5, per: 5 } } as never),
    /got "every"/,
  ],
  [
    'a slip in a schedule',
    s => s.applySchedule({ scheduleId: 'a', job: 'mail', rule: '@daily', cron: 1 } as never),
    /got "cron"/,
  ],
  ['a slip in a definition', () => defineJob({ type: 'a', maxAttempts: 3 } as never), /got "maxAttempts"/],
  ['a slip in a batch', () => defineBatchJob({ type: 'a', batchSize: 3 } as never), /got "batchSize"/],
  [
    'a handler that is none',
    () => defineJob({ type: 'a', handler: 5 } as never),
    /handler of "a": expected a function/,
  ],
  ['no definition', () => defineJob(undefined as never), /expected an object, got undefined/],
  ['a registered handler that is none', s => s.registerHandler('a', 'b' as never), /handler: expected a function/],
  ['an upcaster for a version to come', () => defineJob({ type: 'a', upcast: { 1: String } }), /versions before 1/],
  ['a timeout of nothing', () => defineJob({ type: 'a', timeout: 0 }), /timeout of a: expected 1 ms or more/],
]

describeOnBothEngines('slips that no compiler saw', engine => {
  const make = async (options: Partial<SchedulerOptions> = {}) => {
    const common = { database: engine.database, schema: engine.freshSchema(), clock: new TestClock() }
    const scheduler = new Scheduler({ ...common, ...options })
    await scheduler.migrate()
    return { scheduler, common }
  }

  it.each(SLIPS)('%s: refused, and nothing is done', async (_what, call, message) => {
    const { scheduler } = await make({ jobs: [JOB] })
    await scheduler.scheduleJob('mail', { jobId: 'a', delay: '1h' })
    const refused = await Promise.resolve(scheduler)
      .then(call)
      .catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'BELFRY_INVALID_OPTION', message: expect.stringMatching(message) })
    expect((await scheduler.getStats()).counts).toMatchObject({ pending: 1 })
    expect(await scheduler.getSchedules()).toEqual([])
  })

  it('options of the scheduler', async () => {
    const { common } = await make()
    const wrong: [object, RegExp][] = [
      [{ concurency: 5 }, /options of the scheduler: .*got "concurency"/],
      [{ retention: { finished: '1d' } }, /retention: .*got "finished"/],
      [{ middleware: { execute: [] } }, /middleware: .*got "execute"/],
      [{ jobs: { mail: () => {} } }, /jobs: expected a list/],
      [{ jobs: [{ type: 'mail', handler: () => {} }] }, /job: expected what defineJob/],
    ]
    for (const [options, message] of wrong) {
      expect(() => new Scheduler({ ...common, ...options })).toThrow(message)
    }
  })

  it('a whole database in place of a transaction, whose jobs would survive a rollback', async () => {
    const { scheduler } = await make()
    const pools: unknown[] = [engine.database, { query: () => {}, totalCount: 3 }, {}, 'tx']
    for (const transaction of pools) {
      const call = scheduler.scheduleJob('mail', { transaction: transaction as never })
      await expect(call).rejects.toMatchObject({ code: 'BELFRY_INVALID_OPTION' })
    }
    expect((await scheduler.getStats()).counts.pending).toBe(0)
  })

  it('tables that were never made: said by every call, with the way out', async () => {
    const scheduler = new Scheduler({ database: engine.database, schema: engine.unmadeSchema(), migrate: false })
    const calls: Call[] = [
      () => scheduler.scheduleJob('mail', {}),
      () => scheduler.scheduleJobs([{ job: 'mail' }, { job: 'mail' }]),
      () => engine.database.transaction(transaction => scheduler.scheduleJob('mail', { transaction })),
      () => scheduler.getJob('a'),
      () => scheduler.getStats(),
      () => scheduler.admin.listJobs({}),
      () => scheduler.start(),
    ]
    for (const call of calls) {
      await expect(Promise.resolve(scheduler).then(call)).rejects.toMatchObject({
        code: 'BELFRY_DATABASE_NOT_MIGRATED',
        message: expect.stringContaining('call scheduler.migrate() once'),
      })
    }
  })

  it('and tables of a program, whose names are its own', () => {
    const missing = (name: string) => Object.assign(new Error(`relation "${name}" does not exist`), { code: '42P01' })
    expect(missingTables(missing('public.orders'), 'public')).toBeUndefined()
    expect(missingTables(missing('belfry_notes'), 'belfry')).toBeUndefined()
    expect(missingTables(missing('public.scheduled_jobs_live'), 'public')).toBeDefined()
  })

  it('a scheduler that was stopped starts no more, and hears nothing more', async () => {
    const { scheduler } = await make()
    await scheduler.start()
    await scheduler.stop()
    await expect(scheduler.start()).rejects.toMatchObject({ code: 'BELFRY_SHUTDOWN' })
    await expect(scheduler.watch()).rejects.toMatchObject({ code: 'BELFRY_SHUTDOWN' })
  })

  it('an upcaster that answers a promise, of which the next one would make nothing', async () => {
    const { scheduler, common } = await make()
    await scheduler.scheduleJob('old', { payload: { n: 1 }, jobId: 'old', maxRetries: 0 })
    const job = defineJob({
      type: 'old',
      payloadVersion: 3,
      upcast: { 1: async old => old, 2: old => ({ ...(old as object), more: true }) },
      handler: () => {},
    })
    const newer = new Scheduler({ ...common, jobs: [job] })
    await newer.runDueJobs()
    expect(await newer.getJob('old')).toMatchObject({
      status: 'failed',
      errorMessage: expect.stringContaining('upcasters answer at once'),
    })
  })
})
