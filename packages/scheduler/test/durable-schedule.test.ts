import { BelfryError, defineJob, Scheduler, type SchedulerOptions } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { until } from '../../../test-support/until.ts'
import { describeOnBothEngines } from './support/engines.ts'

const codeOf = (error: unknown) => (error instanceof BelfryError ? error.code : error)

describeOnBothEngines('jobs that follow from a job', engine => {
  const make = async (options: Partial<SchedulerOptions> = {}) => {
    const clock = new TestClock()
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock, random: () => 0.5, ...options })
    await scheduler.migrate()
    const jobs = async () =>
      (await engine.database.query<{ job_type: string }>(`select job_type from ${schema}.scheduled_jobs order by 1`))
        .rows
    return { clock, schema, scheduler, types: async () => (await jobs()).map(row => row.job_type) }
  }
  const child = defineJob({ type: 'child', payload: z.object({ n: z.number() }) })

  it('exist when the attempt has completed, and run then', async () => {
    const { scheduler, types } = await make({ jobs: [child] })
    const ran: unknown[] = []
    scheduler.registerHandler('child', payload => void ran.push(payload))
    scheduler.registerHandler('parent', async (_payload, { schedule }) => {
      const one = await schedule(child, { n: 1 })
      await schedule('other', { any: 'thing' }, { delay: '1h', tags: ['later'] })
      expect(await types()).toEqual(['parent'])
      return one.jobId
    })
    const parent = await scheduler.scheduleJob('parent', { payload: {} })
    await scheduler.runDueJobs()
    expect(await types()).toEqual(['child', 'other', 'parent'])
    expect(ran).toEqual([{ n: 1 }])
    const jobId = (await scheduler.getJob(parent))?.result as string
    expect(await scheduler.getJob(jobId)).toMatchObject({ jobType: 'child', status: 'completed', payload: { n: 1 } })
  })

  it('never exist when the attempt failed, slept or was cancelled; the last attempt counts', async () => {
    const { clock, scheduler, types } = await make()
    scheduler.registerHandler('parent', async (_payload, { schedule, sleep, attempt }) => {
      await schedule('child', { attempt })
      if (attempt === 1) throw new Error('failed')
      await sleep('a while', '1h')
    })
    const parent = await scheduler.scheduleJob('parent', { payload: {} })
    await scheduler.runDueJobs()
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(await types()).toEqual(['parent'])
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(await types()).toEqual(['child', 'parent'])
    expect(await scheduler.getJob(parent)).toMatchObject({ status: 'completed', attempt: 3 })
  })

  it('never exist when the lease was lost', async () => {
    const { schema, scheduler, types } = await make()
    scheduler.registerHandler('parent', async (_payload, { schedule, jobId }) => {
      await schedule('child', {})
      await engine.database.query(`update ${schema}.scheduled_jobs_live set lease_token = gen_random_uuid()
        where job_id = '${jobId}'`)
    })
    await scheduler.scheduleJob('parent', { payload: {} })
    await scheduler.runDueJobs()
    expect(await types()).toEqual(['parent'])
  })

  it('are checked when they are asked for, and a refused one takes none of the others along', async () => {
    const { scheduler, types } = await make({ jobs: [child] })
    const codes: unknown[] = []
    scheduler.registerHandler('parent', async (_payload, { schedule }) => {
      for (const call of [
        () => schedule(child, { n: 'one' } as never),
        () => schedule('', {}),
        () => schedule('child', { big: 1n }),
        () => schedule('other', {}, { delay: 'soon' }),
        () => schedule('other', {}),
      ]) {
        codes.push(
          codeOf(
            await call().then(
              () => 'taken',
              (error: unknown) => error,
            ),
          ),
        )
      }
    })
    await scheduler.scheduleJob('parent', { payload: {} })
    await scheduler.runDueJobs()
    expect(codes).toEqual([
      'BELFRY_INVALID_PAYLOAD',
      'BELFRY_INVALID_JOB_TYPE',
      'BELFRY_INVALID_PAYLOAD',
      'BELFRY_INVALID_DURATION',
      'taken',
    ])
    expect(await types()).toEqual(['other', 'parent'])
  })

  it('with an id that is taken the attempt has failed as a whole, and its neighbours have not', async () => {
    const { scheduler, types } = await make()
    scheduler.registerHandler('parent', async (payload, { schedule }) => {
      await schedule('child', {}, { jobId: (payload as { id: string }).id })
      await schedule('child', {}, { uniqueKey: 'one of a kind' })
      return 'never stored for the first'
    })
    await scheduler.scheduleJob('unhandled', { payload: {}, jobId: 'taken' })
    const [bad, good, also] = await scheduler.scheduleJobs(
      ['taken', 'free', 'free too'].map(id => ({ job: 'parent', payload: { id } })),
    )
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(bad ?? '')).toMatchObject({ status: 'failed', result: null })
    expect(await scheduler.getAttempts(bad ?? '')).toMatchObject([{ errorCode: 'BELFRY_DUPLICATE_JOB_ID' }])
    for (const job of [good, also]) expect(await scheduler.getJob(job ?? '')).toMatchObject({ status: 'completed' })
    // Two by their ids, and one of the two with the same key.
    expect((await types()).filter(type => type === 'child')).toHaveLength(3)
  })

  it('what is asked for without waiting is waited for; after the end nothing is', async () => {
    const { scheduler, types } = await make()
    let late: (() => Promise<unknown>) | undefined
    scheduler.registerHandler('parent', (_payload, { schedule }) => {
      void schedule('child', {})
      late = () => schedule('child', {})
    })
    await scheduler.scheduleJob('parent', { payload: {} })
    await scheduler.runDueJobs()
    expect(await types()).toEqual(['child', 'parent'])
    expect(codeOf(await late?.().catch((error: unknown) => error))).toBe('BELFRY_ATTEMPT_ENDED')
    expect(await types()).toEqual(['child', 'parent'])
  })

  it('run promptly in a started scheduler', async () => {
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, pollInterval: '10m' })
    scheduler.registerHandler('parent', async (_payload, { schedule }) => void (await schedule('child', {})))
    scheduler.registerHandler('child', () => {})
    await scheduler.start()
    await scheduler.scheduleJob('parent', { payload: {} })
    await until('both have ended', async () => (await scheduler.getStats()).counts.completed === 2)
    await scheduler.stop()
  })

  it('a deadline moves with a sleep', async () => {
    const { clock, scheduler } = await make()
    scheduler.registerHandler('sleepy', (_payload, { sleep }) => sleep('a while', '2d'))
    const job = await scheduler.scheduleJob('sleepy', { payload: {}, expireAfter: '1m' })
    await scheduler.runDueJobs()
    clock.advance('2d')
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(job)).toMatchObject({ status: 'completed' })
  })
})
