import { Scheduler, defineJob, type JobDefinition, type Limits, type ScheduleOptions } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { gate } from './support/settled.ts'

interface Work {
  readonly does?: 'fail' | 'hold'
}

type Act = (scheduler: Scheduler) => Promise<unknown>

describeOnBothEngines('who waits for a job that is removed or put off goes on', engine => {
  /** Two processes: one runs jobs, under a clock that stands still, so that only what it is told wakes it; one only acts. */
  async function stage(limits: Limits) {
    const clock = new TestClock('2027-03-01T12:00:00Z')
    const schema = engine.freshSchema()
    const begun: string[] = []
    const end = gate()
    const job: JobDefinition<Work> = defineJob<Work>({
      type: 'keyed',
      limits,
      backoff: { initial: '1h', jitter: 0 },
      handler: async ({ does }, { jobId }) => {
        begun.push(jobId)
        if (does === 'fail') throw new Error('not yet')
        if (does === 'hold') await end.promise
      },
    })
    const options = { database: engine.database, schema, clock, pollInterval: '1h', gracePeriod: 0 } as const
    const running = new Scheduler({ ...options, jobs: [job] })
    const acting = new Scheduler(options)
    await running.migrate()
    const has = (jobId: string) => until(`${jobId} begins`, () => Promise.resolve(begun.includes(jobId)), 5_000)
    const add = (jobId: string, payload: Work, more: ScheduleOptions = {}) =>
      running.scheduleJob('keyed', {
        payload,
        jobId,
        concurrencyKey: 'a',
        subjects: ['user:1'],
        tags: ['one'],
        ...more,
      })
    const stepsAside = (jobId: string) =>
      until(`${jobId} has stepped aside`, async () => {
        const { rows } = await engine.database.query<{ aside: boolean }>(
          `select coalesce(ready_at = 'infinity', false) as aside from ${schema}.scheduled_jobs_live where job_id = $1::text`,
          [jobId],
        )
        return rows[0]?.aside
      })
    /** Statements of ours take as long as those of a process that claims: in so many it has looked, and found nothing to do. */
    const lookedAt = async () => {
      for (let look = 0; look < 300; look += 1) {
        await engine.database.query('select 1')
        await new Promise(resolve => setImmediate(resolve))
      }
    }
    return { running, acting, begun, end, has, add, stepsAside, lookedAt }
  }

  const ACTS: [string, Act][] = [
    ['cancelled', scheduler => scheduler.cancelJob('first')],
    ['cancelled by name', scheduler => scheduler.cancelJob('first', { actor: 'ada' })],
    ['cancelled with others', scheduler => scheduler.admin.cancelJobs({ jobId: ['first'] })],
    [
      'cancelled in somebody’s transaction',
      scheduler => engine.database.transaction(transaction => scheduler.cancelJob('first', { transaction })),
    ],
  ]

  const STRICT: [string, Limits][] = [
    ['in strict order', { perKey: { fifo: true } }],
    ['in strict order and in turn', { perKey: { fifo: true, fair: true } }],
    ['in strict order, in a type with a limit', { concurrency: 1, perKey: { fifo: true } }],
  ]

  const CASES = ACTS.flatMap(([act, run]) => STRICT.map(([order, limits]) => [act, order, run, limits] as const))

  it.each(CASES)('a head that waits for its retry, %s, %s', async (_act, _order, act, limits) => {
    for (const which of ['acting', 'running'] as const) {
      const all = await stage(limits)
      const { running, add, has, stepsAside, lookedAt } = all
      await running.start()
      try {
        await add('first', { does: 'fail' })
        await until('it has failed', async () => (await running.getJob('first'))?.retryCount === 1)
        await add('second', {})
        await add('third', {})
        // Where keys take turns nobody steps aside.
        if (limits.perKey?.fair) await lookedAt()
        else for (const jobId of ['second', 'third']) await stepsAside(jobId)
        await act(all[which])
        await has('second')
        await has('third')
      } finally {
        await running.stop()
      }
    }
  })

  const PUT_OFF: [string, Act][] = [
    ['put off', scheduler => scheduler.changeJob('first', { delay: '2h' })],
    ['put off with others', scheduler => scheduler.admin.postponeJobs({ jobId: ['first'] }, { by: '2h' })],
    [
      'put off in somebody’s transaction',
      scheduler =>
        engine.database.transaction(transaction => scheduler.changeJob('first', { delay: '2h' }, { transaction })),
    ],
  ]
  const ERASED: [string, Act] = ['erased', scheduler => scheduler.admin.eraseSubject('user:1')]

  it.each([...ACTS, ...PUT_OFF, ERASED])(
    'a head that its rate holds back, %s, where the next one is lighter',
    async (_, act) => {
      const { running, acting, add, has, stepsAside } = await stage({
        perKey: { fifo: true, rate: { limit: 3, per: '1h' } },
      })
      await running.start()
      try {
        await add('before', {}, { weight: 2, subjects: [] })
        await until('it has ended', async () => (await running.getJob('before'))?.status === 'completed')
        await add('first', {}, { weight: 3 })
        await add('second', {}, { subjects: [] })
        await stepsAside('second')
        await act(acting)
        await has('second')
      } finally {
        await running.stop()
      }
    },
  )

  it.each<[string, Limits]>([
    ['a key', { perKey: { concurrency: 1 } }],
    ['a key in strict order', { perKey: { fifo: true } }],
    ['a key whose type takes them in turn', { perKey: { concurrency: 1, fair: true } }],
    ['a type', { concurrency: 1 }],
  ])('the holder of the only slot of %s, erased while it runs', async (_, limits) => {
    const { running, acting, end, add, has, lookedAt } = await stage(limits)
    await running.start()
    try {
      await add('first', { does: 'hold' })
      await has('first')
      await add('second', {}, { subjects: [] })
      await lookedAt()
      expect(await acting.admin.eraseSubject('user:1')).toMatchObject({ running: 1 })
      await has('second')
    } finally {
      end.open()
      await running.stop()
    }
  })

  it('also by hand, when the act was in a transaction; one that is rolled back frees nobody', async () => {
    const { running, begun, add } = await stage({ perKey: { fifo: true } })
    await add('first', { does: 'fail' })
    await add('second', {})
    await running.runDueJobs()
    const cancel = (then: () => void) =>
      engine.database.transaction(async transaction => {
        await running.cancelJob('first', { transaction })
        then()
      })
    await expect(
      cancel(() => {
        throw new Error('changed my mind')
      }),
    ).rejects.toThrow('changed my mind')
    await running.runDueJobs()
    expect(begun).toEqual(['first'])
    await cancel(() => {})
    await running.runDueJobs()
    expect(begun).toEqual(['first', 'second'])
  })

  it('also one that a claim puts aside while the head is being cancelled', async () => {
    const { running, acting, add, has, stepsAside } = await stage({ perKey: { fifo: true } })
    // An embedded database has no second connection.
    const isReal = await engine.database
      .query<{ real: boolean }>('select count(*) > 1 as real from pg_stat_activity where datname = current_database()')
      .then(({ rows }) => rows[0]?.real ?? false)
    if (!isReal) return
    await running.start()
    try {
      await add('first', { does: 'fail' })
      await until('it has failed', async () => (await running.getJob('first'))?.retryCount === 1)
      await engine.database.transaction(async transaction => {
        await acting.cancelJob('first', { transaction })
        await add('second', {})
        await stepsAside('second')
      })
      await has('second')
    } finally {
      await running.stop()
    }
  })
})
