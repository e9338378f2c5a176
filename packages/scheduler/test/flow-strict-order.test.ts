import { Scheduler, defineJob, type KeyLimits } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'
import { until } from '../../../test-support/until.ts'
import { sabotage } from './support/sabotage.ts'
import { gate } from './support/settled.ts'

const START = '2027-03-01T12:00:00Z'

describeOnBothEngines('strict order', engine => {
  it('a key with strict order runs one at a time, in the order of the due times, a retry before its followers', async () => {
    const clock = new TestClock(START)
    const order: string[] = []
    const job = defineJob<{ key: string; n: number }>({
      type: 'ordered',
      limits: { perKey: { fifo: true } },
      backoff: { initial: '1m', jitter: 0 },
      handler: ({ key, n }, { attempt }) => {
        order.push(`${key}${n}`)
        if (key === 'a' && n === 1 && attempt === 1) throw new Error('not yet')
      },
    })
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), jobs: [job], clock })
    await scheduler.migrate()
    for (const n of [0, 1, 2, 3]) {
      for (const key of ['a', 'b']) {
        await scheduler.scheduleJob(job, { key, n }, { concurrencyKey: key, delay: n })
      }
    }
    clock.advance('1s')
    await scheduler.runDueJobs()
    expect(order.filter(each => each.startsWith('a'))).toEqual(['a0', 'a1'])
    expect(order.filter(each => each.startsWith('b'))).toEqual(['b0', 'b1', 'b2', 'b3'])
    clock.advance('61s')
    await scheduler.runDueJobs()
    expect(order.filter(each => each.startsWith('a'))).toEqual(['a0', 'a1', 'a1', 'a2', 'a3'])
  })

  it.each([
    ['first come', { fifo: true }],
    ['in turn', { fifo: true, fair: true }],
  ] as const)('a follower that comes due together with a retry waits for it: keys %s', async (_, perKey) => {
    const clock = new TestClock(START)
    const order: string[] = []
    const job = defineJob<{ n: number }>({
      type: 'ordered',
      limits: { perKey },
      backoff: { initial: '1m', jitter: 0 },
      handler: async ({ n }, { attempt }) => {
        order.push(`${n} begins`)
        await new Promise(resolve => setImmediate(resolve))
        order.push(`${n} ends`)
        if (n === 1 && attempt === 1) throw new Error('not yet')
      },
    })
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), jobs: [job], clock })
    await scheduler.migrate()
    await scheduler.scheduleJob(job, { n: 1 }, { concurrencyKey: 'a' })
    await scheduler.runDueJobs()
    for (const [n, delay] of [
      [2, '20s'],
      [3, '90s'],
    ] as const) {
      await scheduler.scheduleJob(job, { n }, { concurrencyKey: 'a', delay })
    }
    clock.advance('2m')
    await scheduler.runDueJobs()
    const whole = [1, 1, 2, 3].flatMap(n => [`${n} begins`, `${n} ends`])
    expect(order).toEqual(whole)
  })

  it.each([
    ['first come', { fifo: true }],
    ['in turn', { fifo: true, fair: true }],
  ] as const)(
    'jobs due at the same instant go by their ids, and one that was lost with its process goes before them: keys %s',
    async (_, perKey) => {
      const clock = new TestClock(START)
      const schema = engine.freshSchema()
      const order: string[] = []
      const job = defineJob<{ n: number }>({ type: 'ordered', limits: { perKey } })
      const make = () => {
        const scheduler = new Scheduler({ database: engine.database, schema, jobs: [job], clock })
        scheduler.registerHandler(job, (_payload, { jobId, attempt }) => void order.push(`${jobId} ${attempt}`))
        return scheduler
      }
      const scheduler = make()
      await scheduler.migrate()
      await scheduler.scheduleJobs(
        ['d', 'c', 'b', 'a'].map(jobId => ({ job, payload: { n: 1 }, jobId, concurrencyKey: 'one', delay: '1s' })),
      )
      // A change moves a row behind the others of its time.
      await scheduler.changeJob('a', { payload: { n: 2 } })
      await engine.database.query(
        `with gone as (
         insert into ${schema}.belfry_runners (runner_id, lease_until, host, process_id, version, job_types)
         values (gen_random_uuid(), $1::text::timestamptz, 'elsewhere', 1, '0', '{}') returning runner_id)
       update ${schema}.scheduled_jobs_live live set status = 'running', attempt = 1, started_at = $1::text::timestamptz,
         runner_id = gone.runner_id, lease_token = gen_random_uuid(), admitted = true from gone where job_id = 'd'`,
        [clock.now().toISOString()],
      )
      clock.advance('2s')
      const rescuer = make()
      const ended = gate()
      rescuer.on('job:settled', () => {
        if (order.length === 4) ended.open()
      })
      await rescuer.start()
      await ended.promise
      await rescuer.stop()
      expect(order).toEqual(['d 2', 'a 1', 'b 1', 'c 1'])
    },
  )

  it.each([
    ['first come', { fifo: true }],
    ['in turn', { fifo: true, fair: true }],
  ] as const)('a retry waits while its key is paused, and goes first when it goes on: keys %s', async (_, perKey) => {
    const { scheduler, clock, order } = await failingOnce(perKey)
    await scheduler.admin.pause({ jobType: 'ordered', concurrencyKey: 'a' })
    clock.advance('2m')
    for (let round = 0; round < 2; round += 1) await scheduler.runDueJobs()
    expect(order).toEqual(['1/1'])
    expect((await scheduler.admin.explain('one'))?.because).toMatchObject({ kind: 'paused' })
    await scheduler.admin.resume({ jobType: 'ordered', concurrencyKey: 'a' })
    await scheduler.runDueJobs()
    expect(order).toEqual(['1/1', '1/2', '2/1'])
  })

  it.each([
    ['first come', { fifo: true, rate: { limit: 1, per: '10m' } }],
    ['in turn', { fifo: true, fair: true, rate: { limit: 1, per: '10m' } }],
  ] as const)('a retry counts against the rate of its key: keys %s', async (_, perKey) => {
    const { scheduler, clock, order } = await failingOnce(perKey)
    clock.advance('2m')
    await scheduler.runDueJobs()
    expect(order).toEqual(['1/1'])
    const why = (await scheduler.admin.explain('one'))?.because
    expect(why).toMatchObject({ kind: 'rate', until: new Date('2027-03-01T12:10:01Z') })
    clock.advance('8m')
    await scheduler.runDueJobs()
    expect(order).toEqual(['1/1', '1/2'])
    clock.advance('9m')
    await scheduler.runDueJobs()
    expect(order).toEqual(['1/1', '1/2'])
    clock.advance('1m')
    await scheduler.runDueJobs()
    expect(order).toEqual(['1/1', '1/2', '2/1'])
  })

  /** Two jobs of key `a`, of which the first failed a second after the start, to be tried again a minute later. */
  async function failingOnce(perKey: KeyLimits) {
    const clock = new TestClock(START)
    const order: string[] = []
    const job = defineJob<{ n: number }>({
      type: 'ordered',
      limits: { perKey },
      backoff: { initial: '1m', jitter: 0 },
      handler: ({ n }, { attempt }) => {
        order.push(`${n}/${attempt}`)
        if (n === 1 && attempt === 1) throw new Error('not yet')
      },
    })
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), jobs: [job], clock })
    await scheduler.migrate()
    await scheduler.scheduleJob(job, { n: 1 }, { concurrencyKey: 'a', jobId: 'one' })
    await scheduler.scheduleJob(job, { n: 2 }, { concurrencyKey: 'a', delay: 1 })
    clock.advance('1s')
    await scheduler.runDueJobs()
    expect(order).toEqual(['1/1'])
    return { scheduler, clock, order }
  }

  it('those behind one of low priority are not looked at again and again', async () => {
    const clock = new TestClock(START)
    const order: string[] = []
    let claims = 0
    const database = sabotage(engine.database, {
      rewrite: text => {
        if (text.includes('belfry_claim_')) claims += 1
        return text
      },
    })
    const job = defineJob({
      type: 'ordered',
      limits: { concurrency: 1, perKey: { fifo: true } },
      handler: (_payload, { jobId }) => void order.push(jobId),
    })
    const scheduler = new Scheduler({ database, schema: engine.freshSchema(), clock, jobs: [job] })
    await scheduler.migrate()
    await scheduler.scheduleJob(job, {}, { concurrencyKey: 'a', jobId: 'one', priority: -30 })
    await scheduler.scheduleJob(job, {}, { concurrencyKey: 'a', jobId: 'two', delay: 1 })
    await scheduler.scheduleJob(job, {}, { concurrencyKey: 'a', jobId: 'three', delay: 2 })
    clock.advance('1s')
    try {
      await scheduler.start()
      await until('a look at them', () => Promise.resolve(claims > 0))
      const before = claims
      await scheduler.scheduleJob(job, {}, { concurrencyKey: 'a', jobId: 'four' })
      // Statements of ours take as long as those of a process that claims in a loop: in so many it does a dozen times.
      for (let look = 0; look < 600; look += 1) await turn()
      // Three step aside once, and the slot that is idle then takes one after the other.
      expect(claims - before).toBeLessThan(12)
      while (order.length < 4) {
        clock.advance('1m')
        await turn()
      }
    } finally {
      await scheduler.stop()
    }
    expect(order).toEqual(['one', 'two', 'three', 'four'])

    async function turn(): Promise<void> {
      await engine.database.query('select 1')
      await new Promise(resolve => setImmediate(resolve))
    }
  })

  it('a type that gives up strict order leaves no retry behind', async () => {
    const { scheduler, clock, order } = await failingOnce({ fifo: true, fair: true })
    await scheduler.admin.setLimits('ordered', { perKey: { concurrency: 1, fair: true } })
    clock.advance('2m')
    for (let round = 0; round < 3; round += 1) await scheduler.runDueJobs()
    expect(order.toSorted()).toEqual(['1/1', '1/2', '2/1'])
  })
})
