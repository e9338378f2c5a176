import { Scheduler, defineJob } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'

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
})
