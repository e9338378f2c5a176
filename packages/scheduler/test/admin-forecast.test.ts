import { defineJob, RetryAfterError, Scheduler, type AnyJobDefinition } from 'belfry'
import { TestClock } from 'belfry/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { startsUnderLimits, type TypeFlow } from '../src/administration/starts-under-limits.ts'
import { resolveLimits, type Limits } from '../src/job/limits.ts'
import { describeOnBothEngines } from './support/engines.ts'

describeOnBothEngines('a forecast of what will run under the present limits', engine => {
  const make = async (jobs: AnyJobDefinition[] = [], start?: string) => {
    const clock = new TestClock(start)
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock, jobs })
    await scheduler.migrate()
    const forecast = async (jobType: string, hours = 3) => {
      const type = (await scheduler.admin.forecast({ hours })).types.find(each => each.jobType === jobType)
      return {
        ...type,
        starts: type?.hours.map(each => each.starts),
        recurring: type?.hours.map(each => each.recurring),
      }
    }
    const schedule = (job: string, count: number, options: { concurrencyKey?: string } = {}) =>
      scheduler.scheduleJobs(Array.from({ length: count }, () => ({ job, ...options })))
    return { clock, schema, scheduler, admin: scheduler.admin, forecast, schedule }
  }
  const limited = (type: string, limits: Limits, handler = () => {}) => defineJob({ type, limits, handler })

  it('spreads a backlog over the hours as a rate lets it start', async () => {
    const { schedule, forecast } = await make([limited('mail', { rate: { limit: 2, per: '1h' } })])
    await schedule('mail', 10)
    expect(await forecast('mail')).toMatchObject({ starts: [2, 2, 2], leftOver: 4 })
  })

  it('goes on from what has started already', async () => {
    const { clock, scheduler, schedule, forecast } = await make([limited('mail', { rate: { limit: 5, per: '1d' } })])
    await schedule('mail', 12)
    expect(await scheduler.runDueJobs()).toBe(5)
    clock.advance('1h')
    const { starts, leftOver } = await forecast('mail', 48)
    expect(starts?.flatMap((count, hour) => (count > 0 ? [[hour, count]] : []))).toEqual([
      [23, 5],
      [47, 2],
    ])
    expect(leftOver).toBe(0)
    clock.advance('23h')
    expect(await scheduler.runDueJobs()).toBe(5)
  })

  it('takes limits that were set at run time, of types it has no definition of too', async () => {
    const { admin, schedule, forecast } = await make([limited('mail', { rate: { limit: 2, per: '1h' } })])
    await schedule('mail', 10)
    await schedule('other', 10)
    await admin.setLimits('mail', { rate: { limit: 4, per: '1h' } })
    await admin.setLimits('other', { budget: { amount: 3, per: '1h' } })
    expect(await forecast('mail')).toMatchObject({ starts: [4, 4, 2] })
    expect(await forecast('other')).toMatchObject({ starts: [3, 3, 3] })
    await admin.setLimits('mail', null)
    expect(await forecast('mail')).toMatchObject({ starts: [2, 2, 2] })
  })

  it('counts slots with how long jobs of the type ran, as soon as some have', async () => {
    const made = await make([limited('report', { concurrency: 2 }, () => made.clock.advance('20s'))])
    await made.schedule('report', 1)
    expect(await made.forecast('report')).toMatchObject({ starts: [1, 0, 0] })
    await made.scheduler.runDueJobs()
    await made.schedule('report', 500)
    expect(await made.forecast('report')).toMatchObject({ starts: [360, 140, 0], leftOver: 0 })
    await made.admin.setLimits('report', { concurrency: 1 })
    expect(await made.forecast('report')).toMatchObject({ starts: [180, 180, 140], leftOver: 0 })
  })

  it('lets nothing of a paused type start, nor anything when all is paused', async () => {
    const { admin, scheduler, schedule, forecast } = await make()
    await schedule('mail', 3)
    await scheduler.applySchedule({ scheduleId: 'push', job: 'push', rule: '30 * * * *' })
    await admin.pause({ jobType: 'mail' })
    expect(await forecast('mail')).toMatchObject({ paused: true, starts: [0, 0, 0], leftOver: 3 })
    expect(await forecast('push')).toMatchObject({ paused: false, starts: [1, 1, 1], leftOver: 0 })
    await admin.pause()
    expect(await forecast('push')).toMatchObject({ paused: true, starts: [0, 0, 0], recurring: [1, 1, 1], leftOver: 3 })
    await admin.resume()
    await admin.resume({ jobType: 'mail' })
    expect(await forecast('mail')).toMatchObject({ paused: false, starts: [3, 0, 0], leftOver: 0 })
  })

  it('knows keys that are paused, and keys that have no room yet', async () => {
    const perKey = limited('call', { perKey: { rate: { limit: 1, per: '1h' } } })
    const { admin, scheduler, schedule, forecast } = await make([perKey])
    await schedule('call', 3, { concurrencyKey: 'ada' })
    await schedule('call', 2, { concurrencyKey: 'bob' })
    await admin.pause({ jobType: 'call', concurrencyKey: 'bob' })
    expect(await forecast('call')).toMatchObject({ paused: false, waiting: 2 })
    expect(await scheduler.runDueJobs()).toBe(1)
    expect(await forecast('call')).toMatchObject({ waiting: 2, starts: [0, 1, 1] })
  })

  it('lets nothing start before a type has rested', async () => {
    const tired = defineJob({
      type: 'call',
      limits: { concurrency: 5 },
      handler: () => {
        throw new RetryAfterError('2h', 'HTTP 429', { rests: 'type' })
      },
    })
    const { scheduler, schedule, forecast } = await make([tired])
    await schedule('call', 1)
    await scheduler.runDueJobs()
    await schedule('call', 3)
    expect(await forecast('call')).toMatchObject({ starts: [0, 0, 4], leftOver: 0 })
  })

  it('lets nothing of a type start whose row of limits was spoiled, and forecasts the others', async () => {
    const { admin, schema, schedule, forecast } = await make()
    for (const type of ['starts', 'limits', 'fine']) {
      await admin.setLimits(type, { rate: { limit: 2, per: '1h' } })
      await schedule(type, 3)
    }
    const spoil = (type: string, change: string) =>
      engine.database.query(`update ${schema}.belfry_lanes set ${change} where job_type = '${type}'`)
    await spoil('starts', `starts = '{"a": "x"}'`)
    await spoil('limits', `limits = '{"rate": 5}'`)
    for (const type of ['starts', 'limits']) {
      expect(await forecast(type)).toMatchObject({ paused: false, starts: [0, 0, 0], leftOver: 3 })
    }
    expect(await forecast('fine')).toMatchObject({ starts: [2, 1, 0] })
  })

  it('reads a schedule as firing does: its bounds, its policy for the change of clocks, its spread', async () => {
    // The night in which Berlin goes from 02:00 to 03:00.
    const { scheduler, forecast } = await make([], '2027-03-27T20:00:00Z')
    const night = { rule: '30 2 * * *', timeZone: 'Europe/Berlin' } as const
    const hourly = { cron: '0 * * * *', start: '2027-03-27T00:00:00Z' }
    await scheduler.applySchedules([
      { scheduleId: 'ends', job: 'ends', rule: { ...hourly, end: '2027-03-27T22:00:00Z' } },
      { scheduleId: 'counted', job: 'counted', rule: { ...hourly, count: 24 } },
      { scheduleId: 'skips', job: 'skips', ...night, dst: 'skip' },
      { scheduleId: 'once', job: 'once', ...night },
      { scheduleId: 'weekly', job: 'weekly', rule: { rrule: 'FREQ=WEEKLY', start: '2027-03-20T23:30:00Z' } },
      { scheduleId: 'spread', job: 'spread', rule: { every: '1m', end: '2027-03-27T20:59:00Z' }, spread: '1d' },
    ])
    expect((await forecast('ends', 24)).recurring?.slice(0, 4)).toEqual([0, 1, 1, 0])
    expect((await forecast('counted', 24)).recurring?.slice(0, 5)).toEqual([0, 1, 1, 1, 0])
    expect((await forecast('skips', 20)).recurring).toBeUndefined()
    expect((await forecast('once', 20)).recurring?.[5]).toBe(1)
    expect((await forecast('weekly', 5)).recurring).toEqual([0, 0, 0, 1, 0])
    expect((await forecast('spread', 3)).recurring?.[0]).toBeLessThan(30)
  })

  it('counts of what was missed as much as is caught up', async () => {
    const { scheduler, clock, forecast } = await make()
    await scheduler.applySchedules([
      { scheduleId: 'last', job: 'last', rule: '0 * * * *' },
      { scheduleId: 'three', job: 'three', rule: '0 * * * *', catchUp: { last: 3 } },
      { scheduleId: 'skip', job: 'skip', rule: '0 * * * *', catchUp: 'skip' },
    ])
    clock.advance('10h30m')
    expect((await forecast('last')).recurring).toEqual([2, 1, 1])
    expect((await forecast('three')).recurring).toEqual([4, 1, 1])
    expect((await forecast('skip')).recurring).toEqual([1, 1, 1])
    await scheduler.runDueJobs()
    expect(await forecast('three')).toMatchObject({ recurring: [1, 1, 1], starts: [4, 1, 1] })
  })

  it('names a schedule whose row cannot be read, and forecasts the others', async () => {
    const { scheduler, schema, admin } = await make()
    await scheduler.applySchedules([
      { scheduleId: 'fine', job: 'fine', rule: '@hourly' },
      { scheduleId: 'rule', job: 'a', rule: '@hourly' },
      { scheduleId: 'zone', job: 'b', rule: '@hourly' },
      { scheduleId: 'policy', job: 'c', rule: '@hourly' },
    ])
    const spoil = (id: string, change: string) =>
      engine.database.query(`update ${schema}.belfry_schedules set ${change} where schedule_id = '${id}'`)
    await spoil('rule', `rule = 'whenever'`)
    await spoil('zone', `time_zone = 'Mars/Olympus'`)
    await spoil('policy', `catch_up = '7'`)
    const { types, unreadable } = await admin.forecast()
    expect(types.map(each => each.jobType)).toEqual(['fine'])
    expect(unreadable.map(each => each.scheduleId)).toEqual(['policy', 'rule', 'zone'])
    expect(unreadable[1]?.error).toContain('whenever')
  })
})

describe('starts under limits', () => {
  const HOUR_MS = 3_600_000
  const now = Date.parse('2027-01-01T12:00:00Z')
  const flow = (
    limits: Limits,
    rest: Partial<Omit<TypeFlow, 'state'>> & { state?: Partial<TypeFlow['state']> } = {},
  ): TypeFlow => ({
    limits: resolveLimits(limits, 'limits'),
    paused: false,
    cost: 1,
    meanMs: null,
    ...rest,
    state: { running: 0, starts: [], failures: 0, pausedUntilMs: null, ...rest.state },
  })
  const backlog = (count: number, hours: number) => [count, ...Array.from({ length: hours - 1 }, () => 0)]

  it.each<[string, TypeFlow, number[]]>([
    ['within a span of one and a half hours', flow({ rate: { limit: 2, per: '90m' } }), [2, 2, 0, 2, 2, 0]],
    ['within a second', flow({ rate: { limit: 50, per: '1s' } }), [180_000, 120_000, 0, 0, 0, 0]],
    ['within 61 seconds', flow({ rate: { limit: 61, per: '61s' } }), [3_600, 3_600, 3_600, 3_600, 3_600, 3_600]],
    ['of a bucket', flow({ rate: { limit: 2, per: '1h', burst: 5 } }), [6, 2, 2, 2, 2, 2]],
    ['of a fast bucket', flow({ rate: { limit: 50_000, per: '1m', burst: 100 } }), [300_000, 0, 0, 0, 0, 0]],
    ['of a budget', flow({ budget: { amount: 100, per: '2h' } }, { cost: 30 }), [3, 0, 3, 0, 3, 0]],
    ['while two run for an hour each', flow({ concurrency: 2 }, { meanMs: HOUR_MS }), [2, 2, 2, 2, 2, 2]],
    [
      'while two that run have half an hour to go',
      flow({ concurrency: 2 }, { meanMs: 2 * HOUR_MS, state: { running: 2 } }),
      [0, 2, 0, 2, 0, 2],
    ],
    ['of the strictest of several', flow({ concurrency: 9, rate: { limit: 1, per: '1h' } }), [1, 1, 1, 1, 1, 1]],
    ['after a rest', flow({}, { state: { pausedUntilMs: now + 90 * 60_000 } }), [0, 300_000, 0, 0, 0, 0]],
    ['of a paused type', flow({}, { paused: true }), [0, 0, 0, 0, 0, 0]],
  ])('as many %s', (_name, limits, expected) => {
    expect(startsUnderLimits(backlog(300_000, 6), limits, now)).toEqual(expected)
  })

  it('are never more than a rate allows nor than have come, and all where there is room', () => {
    const arrivals = fc.array(fc.nat(50), { minLength: 1, maxLength: 30 })
    const used = fc.array(fc.tuple(fc.integer({ min: -20, max: 0 }), fc.integer({ min: 1, max: 3 })), { maxLength: 5 })
    const rate = fc.record({ limit: fc.integer({ min: 1, max: 40 }), hours: fc.integer({ min: 1, max: 20 }) })
    fc.assert(
      fc.property(arrivals, rate, used, (perHour, { limit, hours }, before) => {
        const state = { starts: before.map(([ago, weight]) => [now + ago * HOUR_MS, weight] as const) }
        const limits = flow({ rate: { limit, per: `${hours}h` } }, { state })
        const starts = startsUnderLimits(perHour, limits, now)
        for (let from = 0; from < starts.length; from += 1) {
          const within = starts.slice(from, from + hours).reduce((sum, each) => sum + each, 0)
          expect(within).toBeLessThanOrEqual(limit)
          const come = perHour.slice(0, from + 1).reduce((sum, each) => sum + each, 0)
          expect(starts.slice(0, from + 1).reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(come)
        }
        const enough = perHour.reduce((sum, each) => sum + each, 0) <= limit && before.length === 0
        expect(enough ? starts : perHour).toEqual(perHour)
      }),
    )
  })
})
