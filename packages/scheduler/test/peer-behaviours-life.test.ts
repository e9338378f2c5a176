import { Scheduler, type SchedulerOptions } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'
import { gate, nextSettled } from './support/settled.ts'

/** Only hints and timers wake this scheduler within a test's patience. */
const NEVER_POLLS = { pollInterval: '1h' } as const

describeOnBothEngines('what other schedulers promise: starting, stopping and telling', engine => {
  const make = (options: Partial<SchedulerOptions> = {}) =>
    new Scheduler({ database: engine.database, schema: engine.freshSchema(), ...NEVER_POLLS, ...options })

  it('starting twice at once is starting once, and stopping in the middle of it waits for it', async () => {
    const scheduler = make()
    await Promise.all([scheduler.start(), scheduler.start()])
    expect((await scheduler.getStats()).runners.filter(runner => runner.alive)).toHaveLength(1)
    await Promise.all([scheduler.stop(), scheduler.stop()])
    expect(scheduler.running).toBe(false)
    const hasty = make()
    const [started] = await Promise.allSettled([hasty.start(), hasty.stop()])
    expect(started.status).toBe('fulfilled')
    expect(hasty.running).toBe(false)
    await expect(scheduler.start()).rejects.toMatchObject({ code: 'BELFRY_SHUTDOWN' })
  })

  it('stopping one that was never started is nothing', async () => {
    const scheduler = make()
    await scheduler.stop()
    await expect(scheduler.start()).rejects.toMatchObject({ code: 'BELFRY_SHUTDOWN' })
  })

  it('a stop lets the job that runs finish and leaves the registry; scheduling goes on, running does not', async () => {
    const scheduler = make({ concurrency: 1 })
    const begun = gate()
    const finish = gate()
    const aborted: boolean[] = []
    scheduler.registerHandler('slow', async (_payload, { signal }) => {
      begun.open()
      await finish.promise
      aborted.push(signal.aborted)
      return 'finished'
    })
    await scheduler.start()
    const first = await scheduler.scheduleJob('slow', {})
    await begun.promise
    const stopped = scheduler.stop()
    finish.open()
    await stopped
    const second = await scheduler.scheduleJob('slow', {})
    expect(aborted).toEqual([false])
    expect(await scheduler.getJob(first)).toMatchObject({ status: 'completed', result: 'finished' })
    expect(await scheduler.getJob(second)).toMatchObject({ status: 'pending', attempt: 0 })
    expect((await scheduler.getStats()).runners.filter(runner => runner.alive)).toEqual([])
  })

  it('a job that outlasts the grace period is told, and comes back with no retry spent', async () => {
    const scheduler = make({ gracePeriod: 1 })
    const begun = gate()
    scheduler.registerHandler('slow', (_payload, { signal }) => {
      begun.open()
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
    await scheduler.start()
    const job = await scheduler.scheduleJob('slow', { maxRetries: 0 })
    await begun.promise
    await scheduler.stop()
    expect(await scheduler.getJob(job)).toMatchObject({
      status: 'pending',
      retryCount: 0,
      lostCount: 0,
      lastOutcome: 'interrupted',
    })
  })

  it('a running job that is cancelled is told at once; one that finishes all the same has finished', async () => {
    const scheduler = make()
    let begun = gate<string>()
    scheduler.registerHandler('obedient', (_payload, { jobId, signal }) => {
      begun.open(jobId)
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
    scheduler.registerHandler('stubborn', (_payload, { jobId, signal }) => {
      begun.open(jobId)
      return new Promise(resolve => signal.addEventListener('abort', () => resolve('done anyway')))
    })
    await scheduler.start()
    for (const [type, status, why] of [
      ['obedient', 'cancelled', 'not wanted any more'],
      ['stubborn', 'completed', null],
    ] as const) {
      begun = gate<string>()
      const settled = nextSettled(scheduler)
      await scheduler.scheduleJob(type, {})
      const jobId = await begun.promise
      expect(await scheduler.cancelJob(jobId, { reason: 'not wanted any more' })).toBe('requested')
      expect(await settled).toMatchObject({ jobId, outcome: status, willRetry: false })
      expect((await scheduler.getAttempts(jobId))[0]).toMatchObject({ outcome: status, errorMessage: why })
      expect(await scheduler.getJob(jobId)).toMatchObject({ status })
    }
    await scheduler.stop()
  })

  it('a handler added while running takes the jobs that waited for it', async () => {
    const scheduler = make()
    await scheduler.start()
    const job = await scheduler.scheduleJob('late', {})
    const settled = nextSettled(scheduler)
    scheduler.registerHandler('late', () => 'at last')
    expect(await settled).toMatchObject({ jobId: job.jobId, outcome: 'completed' })
    expect(() => scheduler.registerHandler('late', () => {})).toThrow(
      expect.objectContaining({ code: 'BELFRY_DUPLICATE_HANDLER' }),
    )
    await scheduler.stop()
  })

  it('every job tells its story in order, and a listener that throws stops nothing', async () => {
    const clock = new TestClock()
    const scheduler = make({ clock, random: () => 0.5 })
    await scheduler.migrate()
    const told: string[] = []
    scheduler.on('job:started', () => {
      throw new Error('a bad listener')
    })
    scheduler.on('job:scheduled', ({ conflict }) => told.push(conflict ? 'conflict' : 'scheduled'))
    const off = scheduler.on('job:started', ({ attempt }) => told.push(`started ${attempt}`))
    scheduler.on('job:settled', ({ outcome, willRetry }) => told.push(willRetry ? `${outcome}, again` : outcome))
    scheduler.registerHandler('shaky', (_payload, { attempt }) => {
      if (attempt === 1) throw new Error('no')
    })
    await scheduler.scheduleJob('shaky', { uniqueKey: 'k' })
    await scheduler.scheduleJob('shaky', { uniqueKey: 'k' })
    await scheduler.runDueJobs()
    off()
    clock.advance('5m')
    await scheduler.runDueJobs()
    expect(told).toEqual(['scheduled', 'conflict', 'started 1', 'failed, again', 'completed'])
  })
})

describeOnBothEngines('what other schedulers promise: recurring schedules', engine => {
  const make = async () => {
    const clock = new TestClock('2027-01-01T00:30:00Z')
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock, random: () => 0.5 })
    const ran: unknown[] = []
    scheduler.registerHandler('tick', (payload, { occurrence }) => {
      ran.push([payload, occurrence?.toISOString().slice(11, 16)])
      if (ran.length === 1) throw new Error('no')
    })
    await scheduler.migrate()
    return { clock, scheduler, ran }
  }
  const hourly = { scheduleId: 'a', job: 'tick', rule: '0 * * * *', payload: 'a' }

  it('a new one makes up for nothing that was before it', async () => {
    const { scheduler, ran } = await make()
    await scheduler.applySchedule(hourly)
    await scheduler.runDueJobs()
    expect(ran).toEqual([])
  })

  it('two of one type at one time both fire, and their jobs are retried like any other', async () => {
    const { clock, scheduler, ran } = await make()
    await scheduler.applySchedule({ ...hourly, maxRetries: 1 })
    await scheduler.applySchedule({ ...hourly, scheduleId: 'b', payload: 'b' })
    clock.advance('30m')
    await scheduler.runDueJobs()
    expect(new Set(ran)).toEqual(
      new Set([
        ['a', '01:00'],
        ['b', '01:00'],
      ]),
    )
    const failed = ran[0]
    clock.advance('5m')
    await scheduler.runDueJobs()
    expect(ran[2]).toEqual(failed)
    expect((await scheduler.getStats()).counts).toMatchObject({ completed: 2, pending: 0 })
  })

  it('a clock that is set back fires nothing twice', async () => {
    const { clock, scheduler, ran } = await make()
    await scheduler.applySchedule(hourly)
    clock.advance('31m')
    await scheduler.runDueJobs()
    clock.moveTo('2027-01-01T00:50:00Z')
    await scheduler.runDueJobs()
    clock.moveTo('2027-01-01T01:00:30Z')
    await scheduler.runDueJobs()
    expect(ran).toHaveLength(1)
    expect(await scheduler.getSchedules()).toMatchObject([{ firedCount: 1 }])
  })

  it('changing the rule changes the next time, removing it leaves the jobs it made', async () => {
    const { clock, scheduler, ran } = await make()
    await scheduler.applySchedule(hourly)
    expect(await scheduler.applySchedule({ ...hourly, rule: '*/20 * * * *' })).toBe('changed')
    expect(await scheduler.getSchedules()).toMatchObject([{ nextOccurrence: new Date('2027-01-01T00:40Z') }])
    clock.advance('10m')
    await scheduler.runDueJobs()
    await scheduler.removeSchedule('a')
    clock.advance('5m')
    await scheduler.runDueJobs()
    expect(ran.map(each => (each as unknown[])[1])).toEqual(['00:40', '00:40'])
    expect(await scheduler.getSchedules()).toEqual([])
  })
})
