import { Scheduler, defineJob, type JobDefinition, type Limits } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { sabotage } from './support/sabotage.ts'
import { gate } from './support/settled.ts'

const START = '2027-03-01T12:00:00Z'

/** What a job of these stories does: it fails, it runs until it is let go, or it ends at once. */
interface Work {
  readonly does?: 'fail' | 'hold'
}

describeOnBothEngines('jobs that step aside for their key', engine => {
  /** A process whose clock stands still: nobody polls, and only what is awaited wakes it. */
  async function stage(limits: Limits, options: { priority?: number } = {}) {
    const clock = new TestClock(START)
    const begun: string[] = []
    const end = gate()
    const counts = { claims: 0 }
    const database = sabotage(engine.database, {
      rewrite: text => {
        if (text.includes('belfry_claim_')) counts.claims += 1
        return text
      },
    })
    const job: JobDefinition<Work> = defineJob<Work>({
      type: 'keyed',
      limits,
      ...options,
      backoff: { initial: '1h', jitter: 0 },
      handler: async ({ does }, { jobId }) => {
        begun.push(jobId)
        if (does === 'fail') throw new Error('not yet')
        if (does === 'hold') await end.promise
      },
    })
    const scheduler = new Scheduler({ database, schema: engine.freshSchema(), clock, jobs: [job] })
    const has = (jobId: string) => until(jobId, () => Promise.resolve(begun.includes(jobId)))
    const add = (jobId: string, payload: Work, concurrencyKey?: string) =>
      scheduler.scheduleJob(job, payload, { jobId, ...(concurrencyKey !== undefined && { concurrencyKey }) })
    await scheduler.start()
    const crowd = (key: string, size: number) =>
      Array.from({ length: size }, (_, n) => ({
        job,
        payload: {},
        jobId: `${key}${String(n).padStart(2, '0')}`,
        concurrencyKey: key,
      }))
    return { scheduler, clock, begun, end, counts, has, add, crowd }
  }

  type Stage = Awaited<ReturnType<typeof stage>>

  /** Statements of ours take as long as those of a process that claims in a loop: in so many it does a hundred times. */
  async function quiet({ counts }: Stage): Promise<number> {
    const before = counts.claims
    for (let look = 0; look < 600; look += 1) {
      await engine.database.query('select 1')
      await new Promise(resolve => setImmediate(resolve))
    }
    return counts.claims - before
  }

  const IN_THE_WAY: [string, Limits, (stage: Stage) => Promise<unknown>][] = [
    [
      'that has its slots taken',
      { concurrency: 5, perKey: { concurrency: 1 } },
      async ({ add, has }) => {
        await add('first', { does: 'hold' }, 'a')
        await has('first')
      },
    ],
    [
      'whose first waits for a retry in strict order',
      { concurrency: 2, perKey: { fifo: true } },
      async ({ scheduler, add }) => {
        await add('first', { does: 'fail' }, 'a')
        await until('it has failed', async () => (await scheduler.getJob('first'))?.retryCount === 1)
      },
    ],
    [
      'that is paused',
      { concurrency: 2, perKey: {} },
      ({ scheduler }) => scheduler.admin.pause({ jobType: 'keyed', concurrencyKey: 'a' }),
    ],
    [
      'that has its slots taken, in a type with a rate',
      { rate: { limit: 6, per: '1h' }, perKey: { concurrency: 1 } },
      async ({ add, has }) => {
        await add('first', { does: 'hold' }, 'a')
        await has('first')
      },
    ],
  ]

  it.each(IN_THE_WAY)('leave their room to others at once: a key %s', async (_, limits, prepare) => {
    const all = await stage(limits)
    const { scheduler, counts, end, has, crowd } = all
    try {
      await prepare(all)
      await quiet(all)
      const before = counts.claims
      await scheduler.scheduleJobs([...crowd('a', 30), ...crowd('b', 1), ...crowd('c', 1), ...crowd('d', 1)])
      for (const key of ['b', 'c', 'd']) await has(`${key}00`)
      // Two at a time step aside in the narrowest of these types, each of them once.
      expect(counts.claims - before).toBeLessThan(15 + 10)
      expect(await quiet(all)).toBeLessThan(8)
    } finally {
      end.open()
      await scheduler.stop()
    }
  })

  it('are not looked at again and again when they wait for the instant that low priority would give them', async () => {
    const all = await stage({ concurrency: 1, perKey: { rate: { limit: 1, per: '10s' } } }, { priority: -1 })
    const { scheduler, clock, begun, has, add } = all
    try {
      await add('first', {}, 'a')
      await has('first')
      await until('it is over', async () => (await scheduler.getJob('first'))?.status === 'completed')
      await add('second', {}, 'a')
      expect(await quiet(all)).toBeLessThan(8)
      expect(begun).toEqual(['first'])
      clock.advance('12s')
      await has('second')
    } finally {
      await scheduler.stop()
    }
  })

  it('nor does a job that began before a breaker’s rest stand for the one that is tried after it', async () => {
    const { scheduler, clock, end, has, add } = await stage({ breaker: { failures: 2, rest: '1m' } })
    const opened = gate()
    scheduler.on('breaker:opened', () => opened.open())
    try {
      await add('long', { does: 'hold' })
      await has('long')
      await add('x', { does: 'fail' })
      await add('y', { does: 'fail' })
      await opened.promise
      clock.advance('61s')
      for (const jobId of ['tried', 'next']) await add(jobId, {})
      await has('tried')
      await has('next')
    } finally {
      end.open()
      await scheduler.stop()
    }
  })

  it('and a job is tried alone, also when its key stands in the way of the first', async () => {
    const all = await stage({ breaker: { failures: 2, rest: '1m' }, perKey: { concurrency: 1 } })
    const { scheduler, clock, end, begun, has, add, crowd } = all
    const opened = gate()
    scheduler.on('breaker:opened', () => opened.open())
    try {
      await add('long', { does: 'hold' }, 'a')
      await has('long')
      await add('x', { does: 'fail' }, 'x')
      await add('y', { does: 'fail' }, 'y')
      await opened.promise
      await scheduler.scheduleJobs(crowd('a', 5))
      await add('tried', { does: 'hold' }, 'b')
      await add('next', {}, 'c')
      clock.advance('61s')
      await has('tried')
      expect(await quiet(all)).toBeLessThan(8)
      expect(begun).not.toContain('next')
      end.open()
      await has('next')
    } finally {
      end.open()
      await scheduler.stop()
    }
  })
})
