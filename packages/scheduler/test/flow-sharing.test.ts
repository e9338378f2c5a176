import { defineJob, Scheduler } from 'belfry'
import { TestClock } from 'belfry/testing'
import { describe, expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'
import { gate, nextSettled } from './support/settled.ts'

const START = '2027-03-01T12:00:00Z'

describeOnBothEngines('sharing', engine => {
  describe('keys share their type', () => {
    it('a key with a thousand waiting jobs does not hold up one with three, over all processes', async () => {
      const schema = engine.freshSchema()
      const order: string[] = []
      const job = defineJob<{ key: string }>({
        type: 'shared',
        limits: { concurrency: 4, perKey: { fair: true } },
        handler: async ({ key }) => {
          order.push(key)
          await new Promise(resolve => setImmediate(resolve))
          if (order.length >= 40) enough.open()
        },
      })
      const enough = gate()
      const processes = [1, 2].map(
        () => new Scheduler({ database: engine.database, schema, jobs: [job], pollInterval: '100ms' }),
      )
      const [first] = processes
      for (const scheduler of processes) await scheduler.start()
      await first?.admin.pause({ jobType: 'shared' })
      const wanted = (key: string, count: number) =>
        Array.from({ length: count }, () => ({ job, payload: { key }, concurrencyKey: key }))
      await first?.scheduleJobs(wanted('big', 1_000))
      await first?.scheduleJobs([...wanted('small', 3), ...wanted('tiny', 2)])
      await first?.admin.resume({ jobType: 'shared' })
      await enough.promise
      await first?.admin.pause({ jobType: 'shared' })
      for (const scheduler of processes) await scheduler.stop()
      // Each round gives every key a turn: the small ones are through long before the big one is.
      expect(order.slice(0, 20).filter(key => key === 'small')).toHaveLength(3)
      expect(order.slice(0, 20).filter(key => key === 'tiny')).toHaveLength(2)
    })

    it('who holds the fewest slots is next, and the limits of each key hold as well', async () => {
      const running = new Map<string, number>()
      const most = new Map<string, number>()
      const firstStarts: string[] = []
      const held = gate()
      const six = gate()
      const job = defineJob<{ key: string }>({
        type: 'slots',
        concurrency: 20,
        limits: { concurrency: 6, perKey: { fair: true, concurrency: 3 } },
        handler: async ({ key }) => {
          running.set(key, (running.get(key) ?? 0) + 1)
          most.set(key, Math.max(most.get(key) ?? 0, running.get(key) ?? 0))
          firstStarts.push(key)
          if (firstStarts.length === 6) six.open()
          await held.promise
          running.set(key, (running.get(key) ?? 0) - 1)
        },
      })
      const scheduler = new Scheduler({
        database: engine.database,
        schema: engine.freshSchema(),
        jobs: [job],
        concurrency: 20,
        pollInterval: '100ms',
      })
      await scheduler.migrate()
      const keys = ['a', 'a', 'a', 'a', 'a', 'a', 'b', 'b', 'b', 'c', 'd']
      await scheduler.scheduleJobs(keys.map(key => ({ job, payload: { key }, concurrencyKey: key })))
      await scheduler.start()
      await six.promise
      expect(firstStarts.toSorted().join('')).toBe('aabbcd')
      let done = 0
      const all = nextSettled(scheduler, () => (done += 1) === keys.length)
      held.open()
      await all
      await scheduler.stop()
      expect(most.get('a')).toBeLessThanOrEqual(3)
    })

    it('strict order per key holds while keys take turns, a retry before its followers; jobs without a key run too', async () => {
      const clock = new TestClock(START)
      const order: string[] = []
      const job = defineJob<{ name: string }>({
        type: 'turns',
        limits: { perKey: { fair: true, fifo: true, rate: { limit: 2, per: '1m' } } },
        backoff: { initial: '10s', jitter: 0 },
        handler: ({ name }, { attempt }) => {
          order.push(name)
          if (name === 'a1' && attempt === 1) throw new Error('not yet')
        },
      })
      const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), jobs: [job], clock })
      await scheduler.migrate()
      for (const n of [1, 2, 3]) {
        for (const key of ['a', 'b']) {
          await scheduler.scheduleJob(job, { name: `${key}${n}` }, { concurrencyKey: key, delay: n })
        }
      }
      await scheduler.scheduleJob(job, { name: 'nobody' })
      clock.advance('1s')
      await scheduler.runDueJobs()
      expect(order.toSorted()).toEqual(['a1', 'b1', 'b2', 'nobody'])
      for (let step = 0; step < 20; step += 1) {
        clock.advance('10s')
        await scheduler.runDueJobs()
      }
      expect(order.filter(name => name.startsWith('a'))).toEqual(['a1', 'a1', 'a2', 'a3'])
      expect(order.filter(name => name.startsWith('b'))).toEqual(['b1', 'b2', 'b3'])
    })
  })

  describe('budgets', () => {
    it('what fits starts, the unused part goes back to others, and the rest waits until the window frees enough', async () => {
      const clock = new TestClock(START)
      const ran: string[] = []
      const job = defineJob<{ name: string; uses?: number }>({
        type: 'prompt',
        cost: 400,
        limits: { budget: { amount: 1_000, per: '1h' } },
        handler: ({ name, uses }, { spend }) => {
          ran.push(name)
          if (uses !== undefined) {
            spend(uses / 2)
            spend(uses / 2)
          }
        },
      })
      const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), jobs: [job], clock })
      await scheduler.migrate()
      const plan = async (name: string, uses: number | undefined, cost?: number) => {
        const payload = { name, ...(uses !== undefined && { uses }) }
        const { jobId } = await scheduler.scheduleJob(job, payload, cost === undefined ? {} : { cost })
        clock.advance(1)
        return jobId
      }
      await plan('frugal', 100)
      await plan('silent', undefined)
      await plan('third', 400)
      await scheduler.runDueJobs()
      // 400 and 400 are reserved, 300 of them come back: the third has room for its 400.
      expect(ran).toEqual(['frugal', 'silent', 'third'])
      const large = await plan('large', undefined, 800)
      await plan('behind', undefined, 50)
      await scheduler.runDueJobs()
      expect(ran).toHaveLength(3)
      expect((await scheduler.admin.explain(large))?.hindrances).toContainEqual(
        expect.objectContaining({
          kind: 'rate',
          limit: 1_000,
          sentence: expect.stringContaining('100 of 1000') as string,
        }),
      )
      // Counted by sixtieths of the hour: free up to a minute late, and never early.
      clock.advance('59m')
      await scheduler.runDueJobs()
      expect(ran).toHaveLength(3)
      clock.advance('2m')
      await scheduler.runDueJobs()
      expect(ran).toEqual(['frugal', 'silent', 'third', 'large', 'behind'])
    })

    it('what was used beyond the estimate counts too, and each key has a budget of its own', async () => {
      const clock = new TestClock(START)
      const ran: string[] = []
      const job = defineJob<{ name: string; uses: number }>({
        type: 'metered',
        limits: { perKey: { budget: { amount: 10, per: '1d' } } },
        handler: ({ name, uses }, { spend }) => {
          ran.push(name)
          spend(uses)
        },
      })
      const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), jobs: [job], clock })
      await scheduler.migrate()
      await scheduler.scheduleJob(job, { name: 'a1', uses: 25 }, { concurrencyKey: 'a', cost: 5 })
      await scheduler.runDueJobs()
      await scheduler.scheduleJob(job, { name: 'a2', uses: 1 }, { concurrencyKey: 'a' })
      await scheduler.scheduleJob(job, { name: 'b1', uses: 1 }, { concurrencyKey: 'b' })
      await scheduler.runDueJobs()
      expect(ran).toEqual(['a1', 'b1'])
      clock.advance('1d')
      clock.advance('24m')
      await scheduler.runDueJobs()
      expect(ran).toEqual(['a1', 'b1', 'a2'])
    })

    it('a lost attempt stays counted until its window passes: nobody knows what it used', async () => {
      const clock = new TestClock(START)
      const schema = engine.freshSchema()
      const ran: number[] = []
      const job = defineJob<{ n: number }>({
        type: 'doubtful',
        cost: 6,
        limits: { budget: { amount: 10, per: '1h' } },
        handler: ({ n }) => void ran.push(n),
      })
      const scheduler = new Scheduler({ database: engine.database, schema, jobs: [job], clock })
      await scheduler.migrate()
      await scheduler.scheduleJob(job, { n: 1 })
      const { Governor } = await import('../src/flow/governor.ts')
      const { noMeter } = await import('../src/runtime/process-meter.ts')
      const { registerRunner } = await import('../src/store/register-runner.ts')
      const { tablesIn } = await import('../src/store/tables.ts')
      const tables = tablesIn(schema)
      const runnerId = '00000000-0000-4000-8000-000000000001'
      const now = clock.now().toISOString()
      const card = { host: 'gone', processId: 1, version: '0', jobTypes: ['doubtful'], leaseMs: 30_000, now }
      await registerRunner(engine.database, tables, { runnerId, ...card, load: noMeter.read() })
      const governor = new Governor({
        database: engine.database,
        tables,
        clock,
        registry: { find: () => job },
      } as never)
      const leaseToken = '00000000-0000-4000-8000-000000000002'
      expect((await governor.claim('doubtful', { runnerId, leaseToken, limit: 1, now })).jobs).toHaveLength(1)
      clock.advance('31s')
      const next = new Scheduler({ database: engine.database, schema, jobs: [job], clock })
      await next.start()
      await next.stop()
      await next.runDueJobs()
      expect(ran).toEqual([])
      clock.advance('61m')
      await next.runDueJobs()
      expect(ran).toEqual([1])
    })

    it('a cost that no budget could pay is refused where it is written', async () => {
      const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema() })
      await scheduler.migrate()
      const limits = { budget: { amount: 10, per: '1h' } } as const
      const job = defineJob({ type: 'dear', limits })
      const code = 'BELFRY_COST_EXCEEDS_BUDGET'
      expect(() => defineJob({ type: 'dear', limits, cost: 11 })).toThrow(expect.objectContaining({ code }))
      await expect(scheduler.scheduleJob(job, {}, { cost: 11 })).rejects.toMatchObject({ code })
      await expect(scheduler.scheduleJob(job, {}, { cost: -1 })).rejects.toThrow(/cost: expected a number from 0 up/)
      expect(() => defineJob({ type: 'x', limits: { budget: { amount: 0, per: '1h' } } })).toThrow(/amount/)
    })
  })

  describe('a token bucket', () => {
    it('lets a burst through after a rest, then the rate, weights counted', async () => {
      const clock = new TestClock(START)
      const starts: number[] = []
      const job = defineJob<{ n: number }>({
        type: 'bucket',
        limits: { rate: { limit: 60_000, per: '1m', burst: 5 } },
        handler: () => void starts.push(clock.now().getTime() - Date.parse(START)),
      })
      const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), jobs: [job], clock })
      await scheduler.migrate()
      await scheduler.scheduleJobs(Array.from({ length: 8 }, (_, n) => ({ job, payload: { n } })))
      for (let ms = 0; ms < 4; ms += 1) {
        await scheduler.runDueJobs()
        clock.advance(1)
      }
      expect(starts).toEqual([0, 0, 0, 0, 0, 1, 2, 3])
    })
  })

  describe('a governed type', () => {
    it('starts a delayed job when it is due, not when somebody polls', async () => {
      const job = defineJob({ type: 'prompt_too', limits: { concurrency: 1 }, handler: () => 'ran' })
      const fair = defineJob({ type: 'fair_too', limits: { perKey: { fair: true } }, handler: () => 'ran' })
      const scheduler = new Scheduler({
        database: engine.database,
        schema: engine.freshSchema(),
        jobs: [job, fair],
        pollInterval: '10m',
      })
      await scheduler.start()
      let done = 0
      const both = nextSettled(scheduler, () => (done += 1) === 2)
      await scheduler.scheduleJob(job, {}, { delay: 300 })
      await scheduler.scheduleJob(fair, {}, { delay: 300, concurrencyKey: 'a' })
      await both
      await scheduler.stop()
    })
  })
})
