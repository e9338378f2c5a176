import { Scheduler, defineJob, type Limits } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { sabotage } from './support/sabotage.ts'
import { gate } from './support/settled.ts'

/** A type whose jobs run until they are let go. */
function longJob() {
  const begun: string[] = []
  const end = gate()
  const job = defineJob({
    type: 'free',
    handler: async (_payload, { jobId }) => {
      begun.push(jobId)
      await end.promise
    },
  })
  return { job, begun, end }
}

const START = '2027-03-01T12:00:00Z'

describeOnBothEngines('limits that are set while processes run', engine => {
  it('hold in every process, and can be taken back', async () => {
    const schema = engine.freshSchema()
    const gates = [gate(), gate(), gate()]
    const started: number[] = []
    const two = gate()
    const third = gate()
    const job = defineJob<{ n: number }>({
      type: 'free',
      handler: async ({ n }) => {
        started.push(n)
        if (started.length === 2) two.open()
        if (started.length === 3) third.open()
        await gates[n]?.promise
      },
    })
    const scheduler = new Scheduler({ database: engine.database, schema, jobs: [job], pollInterval: '100ms' })
    await scheduler.start()
    await scheduler.admin.setLimits('free', { concurrency: 2 })
    // The hint that says so has been heard once a job that came after it is admitted by count.
    const ids = await scheduler.scheduleJobs([0, 1, 2].map(n => ({ job, payload: { n }, delay: 300 })))
    await two.promise
    const waiting = ids.find((_, n) => !started.includes(n))
    expect((await scheduler.admin.explain(waiting?.jobId ?? ''))?.because).toMatchObject({ kind: 'limit', limit: 2 })
    await scheduler.admin.setLimits('free', null)
    await third.promise
    for (const each of gates) each.open()
    await scheduler.stop()
  })

  it('and taken back leave nobody behind who stepped aside for them', async () => {
    const { scheduler, begun, end } = await threeOfOneKey({ perKey: { concurrency: 1 } })
    await scheduler.admin.setLimits('free', null)
    await until('all run', () => Promise.resolve(begun.length === 3))
    end.open()
    await scheduler.stop()
  })

  it('nor does a program that gave them up: who stepped aside in an older one goes on', async () => {
    const clock = new TestClock(START)
    const schema = engine.freshSchema()
    const begun: string[] = []
    const job = defineJob({ type: 'free', handler: (_payload, { jobId }) => void begun.push(jobId) })
    const scheduler = new Scheduler({ database: engine.database, schema, clock, jobs: [job] })
    await scheduler.migrate()
    await scheduler.scheduleJob(job, {}, { jobId: 'one', concurrencyKey: 'a' })
    await engine.database.query(`update ${schema}.scheduled_jobs_live set ready_at = 'infinity'`)
    await scheduler.start()
    await until('it runs', () => {
      clock.advance('1s')
      return Promise.resolve(begun.length === 1)
    })
    await scheduler.stop()
  })

  /** The first of three jobs of a key runs, and the others have stepped aside. */
  async function threeOfOneKey(limits: Limits) {
    const clock = new TestClock(START)
    const schema = engine.freshSchema()
    const { job, begun, end } = longJob()
    const scheduler = new Scheduler({ database: engine.database, schema, clock, jobs: [job] })
    await scheduler.migrate()
    await scheduler.admin.setLimits('free', limits)
    for (const jobId of ['one', 'two', 'three']) {
      await scheduler.scheduleJob('free', { payload: {}, jobId, concurrencyKey: 'a' })
    }
    await scheduler.start()
    await until('two step aside', async () => {
      const { rows } = await engine.database.query(
        `select from ${schema}.scheduled_jobs_live where ready_at = 'infinity'`,
      )
      return rows.length === 2
    })
    expect(begun).toEqual(['one'])
    return { scheduler, begun, end }
  }

  it('are those that a cost is judged by, wherever a job is stored', async () => {
    const ran: string[] = []
    const code = 'BELFRY_COST_EXCEEDS_BUDGET'
    const dear = defineJob({
      type: 'dear',
      limits: { budget: { amount: 10, per: '1h' } },
      handler: (_payload, { jobId }) => void ran.push(jobId),
    })
    const leading = defineJob({
      type: 'leading',
      transactional: true,
      handler: async (_payload, { schedule }) => void (await schedule(dear, {}, { jobId: 'following', cost: 50 })),
    })
    const database = sabotage(engine.database, {
      rewrite: text => (text.includes('limits is not null') ? `${text} ` : text),
    })
    const clock = new TestClock(START)
    const scheduler = new Scheduler({ database, schema: engine.freshSchema(), clock, jobs: [dear, leading] })
    await scheduler.migrate()
    const yearly = { scheduleId: 'yearly', job: dear, rule: '@yearly', cost: 50 }
    await expect(scheduler.scheduleJob(dear, {}, { cost: 50 })).rejects.toMatchObject({ code })
    await expect(scheduler.applySchedule(yearly)).rejects.toMatchObject({ code })
    await scheduler.admin.setLimits('dear', { budget: { amount: 100, per: '1h' } })
    const before = database.hits
    await scheduler.scheduleJob(dear, {}, { jobId: 'cheap', cost: 10 })
    expect(database.hits).toBe(before)
    await scheduler.scheduleJob(dear, {}, { jobId: 'alone', cost: 40 })
    await engine.database.transaction(transaction =>
      scheduler.scheduleJob(dear, {}, { jobId: 'inside', cost: 50, transaction }),
    )
    expect(await scheduler.applySchedule(yearly)).toBe('added')
    await expect(scheduler.scheduleJob(dear, {}, { cost: 101 })).rejects.toThrow(/whole budget \(100\), got 101/)
    await scheduler.scheduleJob(leading, {})
    for (let look = 0; look < 2; look += 1) await scheduler.runDueJobs()
    clock.advance('62m')
    await scheduler.runDueJobs()
    expect(ran.toSorted()).toEqual(['alone', 'cheap', 'following', 'inside'])
    await scheduler.admin.setLimits('dear', null)
    await expect(scheduler.scheduleJob(dear, {}, { cost: 50 })).rejects.toMatchObject({ code })
  })

  it('hold at the next poll in a process that hears nothing', async () => {
    const clock = new TestClock(START)
    const schema = engine.freshSchema()
    let reads = 0
    const hard = sabotage(engine.database, {
      rewrite: text => {
        if (text.includes('limits is not null')) reads += 1
        return text
      },
    })
    const database = { ...hard, listen: () => Promise.resolve(() => Promise.resolve()) }
    const { job, begun, end } = longJob()
    const deaf = new Scheduler({ database, schema, jobs: [job], clock })
    await deaf.start()
    const other = new Scheduler({ database: engine.database, schema, clock })
    await other.admin.setLimits('free', { concurrency: 1 })
    const before = reads
    clock.advance('31s')
    await until('the limits are read', () => Promise.resolve(reads > before))
    for (const jobId of ['one', 'two']) await other.scheduleJob('free', { payload: {}, jobId })
    clock.advance('31s')
    await until('one of them runs', () => Promise.resolve(begun.length > 0))
    const why = await until('the other is held back', async () => {
      const { because } = (await other.admin.explain(begun[0] === 'one' ? 'two' : 'one')) ?? {}
      return because?.kind === 'limit' && because
    })
    expect(why).toMatchObject({ limit: 1, jobs: begun })
    end.open()
    await until('both have run', () => {
      clock.advance('1s')
      return Promise.resolve(begun.length === 2)
    })
    await deaf.stop()
  })
})
