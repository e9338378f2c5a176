import fc from 'fast-check'
import { Scheduler, defineJob, type Limits } from 'belfry'
import { TestClock } from 'belfry/testing'
import { describe, expect, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { outlookAfter } from '../src/flow/admission.ts'
import { afterStart, countsUntil, earliestStart, type Meters } from '../src/flow/meter.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { sabotage } from './support/sabotage.ts'
import { gate } from './support/settled.ts'

const START = '2027-03-01T12:00:00Z'

describe('a token bucket', () => {
  it('is full at once when it was full long ago, and lets in at the instant it named, whatever fractions clocks tell', () => {
    const microseconds = fc.integer({ min: 1.7e15, max: 1.9e15 }).map(each => each / 1_000)
    const rates = fc.record({
      limit: fc.integer({ min: 1, max: 1_000 }),
      perMs: fc.integer({ min: 1, max: 86_400_000 }),
      burst: fc.integer({ min: 1, max: 50 }),
    })
    fc.assert(
      fc.property(microseconds, rates, fc.integer({ min: 1, max: 100 }), (ms, rate, weight) => {
        expect(earliestStart({ rate }, { starts: [] }, { ms, weight, cost: 1 })).toBe(ms)
        const empty = afterStart({ rate }, { starts: [] }, { ms, weight: rate.burst, cost: 1 })
        const at = earliestStart({ rate }, empty, { ms, weight, cost: 1 })
        // A look may come a little later than that, at an instant with fractions of its own.
        for (const look of [at, at + 0.123]) {
          expect(earliestStart({ rate }, empty, { ms: look, weight, cost: 1 })).toBe(look)
        }
      }),
    )
  })
})

describe('what is remembered', () => {
  it('counts until nothing of it holds back a start any more', () => {
    const rate = { limit: 2, perMs: 700 }
    const budget = { amount: 5, perMs: 6_000 }
    const starts = fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(starts, fc.boolean(), fc.boolean(), (gaps, rated, bucket) => {
        const limits = { budget, ...(rated && { rate: bucket ? { ...rate, burst: 3 } : rate }) }
        let ms = 1_000
        let meters: Meters = { starts: [] }
        for (const gap of gaps) {
          ms += gap
          meters = afterStart(limits, meters, { ms, weight: 1, cost: 2 })
        }
        const over = countsUntil(limits, meters)
        expect(over).toBeGreaterThan(ms)
        expect(earliestStart(limits, meters, { ms: over, weight: 3, cost: 5 })).toBe(over)
      }),
    )
  })
})

describe('after a claim', () => {
  const grant = { most: 3, againAtMs: 500, wanted: 10 }

  it('a type with room goes on, one that is full waits, and one that has seen all waits for what is to come', () => {
    const looked = { seen: 3, started: 3, againAtMs: null }
    expect(outlookAfter(grant, looked)).toEqual({ seen: 3, heldBack: true, againAtMs: 500 })
    expect(outlookAfter({ ...grant, most: 10 }, { ...looked, seen: 10, started: 10 })).toMatchObject({ seen: 10 })
    expect(outlookAfter(grant, { ...looked, started: 1 })).toEqual({ seen: 10, heldBack: false, againAtMs: null })
    expect(outlookAfter(grant, { ...looked, started: 1, againAtMs: 700 })).toEqual({
      seen: 3,
      heldBack: true,
      againAtMs: 700,
    })
    expect(outlookAfter(grant, { ...looked, seen: 2, started: 0 })).toEqual({
      seen: 2,
      heldBack: false,
      againAtMs: null,
    })
  })
})

describeOnBothEngines('rates and budgets', engine => {
  const BUCKETS: [string, Limits, number][] = [
    ['of one', { rate: { limit: 20, per: '1s', burst: 1 } }, 1],
    ['that each job takes whole', { rate: { limit: 100, per: '1s', burst: 5 } }, 5],
    ['of one for each key', { perKey: { rate: { limit: 20, per: '1s', burst: 1 } } }, 1],
  ]

  it.each(BUCKETS)('a token bucket %s starts its jobs by the clock of the database', async (_, limits, weight) => {
    const started: number[] = []
    const all = gate()
    const job = defineJob({
      type: 'bucket',
      limits,
      handler: () => {
        started.push(performance.now())
        if (started.length === 4) all.open()
      },
    })
    const database = engine.database
    const scheduler = new Scheduler({ database, schema: engine.freshSchema(), jobs: [job], pollInterval: '10m' })
    await scheduler.start()
    await scheduler.scheduleJobs(Array.from({ length: 4 }, () => ({ job, payload: {}, weight, concurrencyKey: 'a' })))
    await all.promise
    await scheduler.stop()
    // Fifty milliseconds each; how long a start takes from its claim to its handler differs by more than a little.
    expect((started.at(-1) ?? 0) - (started[0] ?? 0)).toBeGreaterThan(100)
  })

  const BOTH: [string, Limits, { cost?: number; weight?: number }][] = [
    ['budget', { budget: { amount: 100, per: '1h' }, perKey: { budget: { amount: 100, per: '1d' } } }, { cost: 60 }],
    ['rate', { rate: { limit: 3, per: '1h' }, perKey: { rate: { limit: 2, per: '1d' } } }, { weight: 2 }],
    [
      'bucket',
      { rate: { limit: 3, per: '1h', burst: 3 }, perKey: { rate: { limit: 2, per: '1d', burst: 2 } } },
      { weight: 2 },
    ],
  ]

  it.each(BOTH)('a job that the %s of its type holds back counts nothing for its key', async (_, limits, options) => {
    const { scheduler, clock, begun, add } = await stage(limits)
    await add('a', { ...options, concurrencyKey: 'a' })
    await add('b', { ...options, concurrencyKey: 'b' })
    for (let look = 0; look < 3; look += 1) await scheduler.runDueJobs()
    expect(begun).toEqual(['a'])
    clock.advance('62m')
    await scheduler.runDueJobs()
    expect(begun).toEqual(['a', 'b'])
  })

  it('a key is remembered as long as its span is, however long nothing of it starts, and no longer', async () => {
    const { schema, scheduler, clock, begun, add } = await stage({
      perKey: { budget: { amount: 10, per: '7d' }, rate: { limit: 1, per: '7d' } },
    })
    const remembered = async () => {
      const { rows } = await engine.database.query(`select from ${schema}.belfry_lanes where lane <> ''`)
      return rows.length
    }
    await add('first', { concurrencyKey: 'a', cost: 10 })
    await scheduler.runDueJobs()
    await engine.database.query(`update ${schema}.belfry_lanes set updated_at = updated_at - interval '25 hours'`)
    clock.advance('6d')
    await scheduler.prune()
    await add('second', { concurrencyKey: 'a', cost: 10 })
    await scheduler.runDueJobs()
    expect(begun).toEqual(['first'])
    clock.advance('27h')
    await scheduler.runDueJobs()
    expect(begun).toEqual(['first', 'second'])
    clock.advance('6d')
    await scheduler.prune()
    expect(await remembered()).toBe(1)
    clock.advance('27h')
    await scheduler.prune()
    expect(await remembered()).toBe(0)
  })

  it('what an older release stored of a key is kept for a month', async () => {
    const { schema, scheduler, begun, add } = await stage({ perKey: { rate: { limit: 1, per: '30d' } } })
    await add('first', { concurrencyKey: 'a' })
    await scheduler.runDueJobs()
    await engine.database.query(
      `update ${schema}.belfry_lanes set memory = memory - 'countsUntilMs', updated_at = updated_at - interval '2 days'`,
    )
    await scheduler.prune()
    await add('second', { concurrencyKey: 'a' })
    await scheduler.runDueJobs()
    expect(begun).toEqual(['first'])
    await engine.database.query(`update ${schema}.belfry_lanes set updated_at = updated_at - interval '31 days'`)
    await scheduler.prune()
    const { rows } = await engine.database.query(`select from ${schema}.belfry_lanes where lane <> ''`)
    expect(rows).toEqual([])
  })

  const SPENT: [string, Limits, { cost?: number; weight?: number }][] = [
    ['budget', { budget: { amount: 10, per: '1h' }, perKey: { fair: true } }, { cost: 3 }],
    ['rate', { rate: { limit: 10, per: '1h' }, perKey: { fair: true } }, { weight: 3 }],
    ['bucket', { rate: { limit: 10, per: '1h', burst: 10 }, perKey: { fair: true } }, { weight: 3 }],
  ]

  it.each(SPENT)('where keys take turns, a %s that is nearly spent is waited for', async (_, limits, options) => {
    let claims = 0
    const database = sabotage(engine.database, {
      rewrite: text => {
        if (text.includes('belfry_lanes (job_type, lane) values')) claims += 1
        return text
      },
    })
    const { scheduler, clock, begun, add } = await stage(limits, database)
    for (let n = 0; n < 20; n += 1) await add(`${n}`, { ...options, concurrencyKey: `key ${n % 5}` })
    try {
      await scheduler.start()
      await until('three have begun', () => Promise.resolve(begun.length === 3))
      const before = claims
      for (let look = 0; look < 600; look += 1) {
        clock.advance(10)
        await engine.database.query('select 1')
        await new Promise(resolve => setImmediate(resolve))
      }
      expect(claims - before).toBeLessThan(8)
      expect(begun).toHaveLength(3)
      for (let minute = 0; minute < 65; minute += 1) clock.advance('1m')
      await until('the next begin', () => {
        clock.advance('1s')
        return Promise.resolve(begun.length > 3)
      })
    } finally {
      await scheduler.stop()
    }
  })

  /** A type whose jobs note that they began, and a clock that stands still. */
  async function stage(limits: Limits, database = engine.database) {
    const clock = new TestClock(START)
    const schema = engine.freshSchema()
    const begun: string[] = []
    const job = defineJob({ type: 'metered', limits, handler: (_payload, { jobId }) => void begun.push(jobId) })
    const scheduler = new Scheduler({ database, schema, clock, jobs: [job] })
    await scheduler.migrate()
    const add = (jobId: string, options: { concurrencyKey?: string; cost?: number; weight?: number }) =>
      scheduler.scheduleJob(job, {}, { jobId, ...options })
    return { schema, scheduler, clock, begun, add }
  }
})
