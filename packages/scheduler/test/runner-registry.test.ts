import { Scheduler, sleep, systemClock, type ProcessLoad, type ProcessMeter, type SchedulerOptions } from 'belfry'
import { TestClock } from 'belfry/testing'
import { describe, expect, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { isSkewed, skewOf } from '../src/runtime/clock-skew.ts'
import { NodeProcessMeter } from '../src/runtime/process-meter.ts'
import { describeOnBothEngines } from './support/engines.ts'

const NOTHING: ProcessLoad = { cpuShare: null, memoryBytes: null, eventLoopDelayMs: null, eventLoopBlockedMs: null }
const CALM: ProcessLoad = {
  cpuShare: 0.25,
  memoryBytes: 123_456_789_012,
  eventLoopDelayMs: 1.5,
  eventLoopBlockedMs: 40,
}

/** Shows what it is told to, and knows whether it runs. */
function fakeMeter(load: ProcessLoad): ProcessMeter & { load: ProcessLoad; started: boolean } {
  const meter = {
    load,
    started: false,
    start: () => void (meter.started = true),
    read: () => (meter.started ? meter.load : NOTHING),
    stop: () => void (meter.started = false),
  }
  return meter
}

describeOnBothEngines('the registry of runners', engine => {
  const make = (options: Partial<SchedulerOptions>) => {
    const clock = new TestClock()
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), clock, ...options })
    const heartbeat = () => {
      const heard = new Promise<void>(resolve => {
        const stop = scheduler.on('runner:heartbeat', () => {
          stop()
          resolve()
        })
      })
      clock.advance('10s')
      return heard
    }
    return { scheduler, heartbeat, clock }
  }

  it('shows what each process costs, from its entry on and anew with each heartbeat', async () => {
    const processMeter = fakeMeter(CALM)
    const { scheduler, heartbeat, clock } = make({ processMeter })
    const loads: ProcessLoad[] = []
    scheduler.on('runner:heartbeat', ({ load }) => loads.push(load))
    await scheduler.start()
    expect((await scheduler.getStats()).runners).toMatchObject([{ alive: true, running: 0, load: CALM }])

    const busy = { ...CALM, cpuShare: 1.9, eventLoopDelayMs: 300 }
    processMeter.load = busy
    await heartbeat()
    const { runners, warnings } = await scheduler.getStats()
    expect(runners).toMatchObject([{ load: busy, heartbeatAt: clock.now() }])
    expect(loads).toEqual([busy])
    expect(warnings).toEqual([])

    await scheduler.stop()
    expect(processMeter.started).toBe(false)
  })

  it('is missed by jobs whose holder it does not know: they are taken back after the start, whatever their priority', async () => {
    const schema = engine.freshSchema()
    const { scheduler } = make({ schema })
    await scheduler.migrate()
    const jobs = [{ jobId: 'plain' }, { jobId: 'urgent', priority: 9 }, { jobId: 'humble', priority: -9 }]
    await scheduler.scheduleJobs(jobs.map(options => ({ job: 'errand', payload: {}, ...options })))
    await engine.database.query(
      `update ${schema}.scheduled_jobs set status = 'running', attempt = 1, lease_token = gen_random_uuid(),
         runner_id = gen_random_uuid(), started_at = scheduled_time`,
    )
    const rescued: string[] = []
    scheduler.on('job:rescued', ({ jobId }) => rescued.push(jobId))
    scheduler.registerHandler('errand', () => {})
    await scheduler.start()
    await until('all are done', async () => (await scheduler.getStats()).counts.completed === jobs.length)
    expect(rescued.toSorted()).toEqual(['humble', 'plain', 'urgent'])
    await scheduler.stop()
  })

  it('warns of a living process whose event loop stood still for more than a third of its lease', async () => {
    const processMeter = fakeMeter({ ...CALM, eventLoopBlockedMs: 10_000 })
    const { scheduler, heartbeat } = make({ processMeter, lease: '30s' })
    await scheduler.start()
    expect((await scheduler.getStats()).warnings).toEqual([])
    processMeter.load = { ...CALM, eventLoopBlockedMs: 10_500 }
    await heartbeat()
    const { warnings } = await scheduler.getStats()
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(
      new RegExp(`event loop of process ${process.pid} on .* stood still for 10\\.5 s .* a lease of 30 s`),
    )
    await scheduler.stop()
    expect((await scheduler.getStats()).warnings).toEqual([])
  })

  it('shows how wrong the clock of a process is, and says so once, until it is right again', async () => {
    let aheadMs = 5 * 3_600_000
    const clock = { ...systemClock, now: () => new Date(Date.now() + aheadMs) }
    const { scheduler } = make({ clock, lease: '1s' })
    const told: number[] = []
    scheduler.on('clock:skewed', ({ skewMs }) => told.push(Math.round(skewMs / 10_000)))
    const skewed = (ms: number) =>
      until(`a skew of some ${ms} ms is registered`, async () => {
        const { runners, warnings } = await scheduler.getStats()
        const found = runners[0]?.clockSkew?.skewMs ?? Number.NaN
        return Math.abs(found - ms) < 4_000 && warnings
      })
    await scheduler.start()
    // At once, not only with the first heartbeat.
    expect(told).toEqual([1_800])
    expect(await skewed(aheadMs)).toEqual([
      expect.stringMatching(new RegExp(`clock of process ${process.pid} on .* is 5\\.0 h ahead of the database's`)),
    ])
    aheadMs = 0
    expect(await skewed(aheadMs)).toEqual([])
    aheadMs = -20_000
    expect(await skewed(aheadMs)).toEqual([expect.stringMatching(/ is [12]\d\.\d s behind the database's/)])
    expect(told).toEqual([1_800, -2])
    await scheduler.stop()
    expect((await scheduler.getStats()).warnings).toEqual([])
  })

  it('measures nothing under a virtual clock, and nothing once a start has failed', async () => {
    const { scheduler } = make({})
    await scheduler.start()
    expect((await scheduler.getStats()).runners).toMatchObject([{ load: NOTHING }])
    await scheduler.stop()

    const processMeter = fakeMeter(CALM)
    const missing = make({ processMeter, migrate: false, schema: engine.unmadeSchema() })
    await expect(missing.scheduler.start()).rejects.toThrow(/does not exist/)
    expect(processMeter.started).toBe(false)
  })
})

describe('the clock of a process', () => {
  it('is wrong when it differs by more than five seconds, however slowly the database answered', () => {
    expect(skewOf(100_000, { at: 100_000, tookMs: 0 })).toEqual({ skewMs: 0, errorMs: 0 })
    // Right, and the answer took eight seconds: the database may have told its time at either end of them.
    expect(isSkewed(skewOf(108_000, { at: 100_000, tookMs: 8_000 }))).toBe(false)
    expect(isSkewed(skewOf(100_000, { at: 100_000, tookMs: 8_000 }))).toBe(false)
    expect(isSkewed(skewOf(100_000, { at: 105_001, tookMs: 8_000 }))).toBe(true)
    expect(isSkewed(skewOf(113_001, { at: 100_000, tookMs: 8_000 }))).toBe(true)
    expect(isSkewed(skewOf(113_000, { at: 100_000, tookMs: 8_000 }))).toBe(false)
    expect(isSkewed(null)).toBe(false)
  })
})

describe('a process', () => {
  it('is measured: CPU, memory, and how long its event loop stood still', async () => {
    const meter = new NodeProcessMeter()
    expect(meter.read()).toEqual(NOTHING)
    meter.start()
    try {
      // A first look must have been taken before a blockade can be seen, and the loop must turn after it.
      await until('a blockade that is seen', async () => {
        const started = performance.now()
        while (performance.now() - started < 250);
        await sleep(systemClock, 60)
        return (meter.read().eventLoopBlockedMs ?? 0) >= 150
      })
      // It stays to be seen after it was read.
      const load = meter.read()
      expect(load.eventLoopBlockedMs).toBeGreaterThanOrEqual(150)
      expect(load.memoryBytes).toBeGreaterThan(10_000_000)
      expect(load.cpuShare).toBeGreaterThanOrEqual(0)
    } finally {
      meter.stop()
      meter.stop()
    }
    expect(meter.read()).toEqual(NOTHING)
  })
})
