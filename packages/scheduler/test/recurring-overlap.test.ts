import { Scheduler } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'
import { hourly, makeRecurring } from './support/recurring.ts'
import { gate, nextSettled } from './support/settled.ts'

describeOnBothEngines('recurring schedules while an earlier job is unfinished', engine => {
  const overlapping = async (overlap: 'queue' | 'replace' | 'allow') => {
    const made = await makeRecurring(engine)
    await made.scheduler.applySchedule({ ...hourly, job: 'nobody runs this', overlap })
    const pass = async () => {
      made.clock.advance('1h')
      await made.scheduler.runDueJobs()
    }
    return { ...made, pass }
  }

  it('allow: another one', async () => {
    const { jobs, pass } = await overlapping('allow')
    await pass()
    await pass()
    expect(await jobs()).toEqual(['01-01 01:00 pending', '01-01 02:00 pending'])
  })

  it('queue: the latest occurrence waits, and starts when the earlier one has ended', async () => {
    const { clock, scheduler, jobs, pass } = await overlapping('queue')
    await pass()
    await pass()
    await pass()
    expect(await jobs()).toEqual(['01-01 01:00 pending'])
    expect(await scheduler.getSchedules()).toMatchObject([
      { waitingOccurrence: new Date('2027-01-01T03:00Z'), firedCount: 1, skippedCount: 1 },
    ])
    clock.advance('1m')
    await scheduler.cancelJob('hourly@2027-01-01T01:00:00.000Z')
    await scheduler.runDueJobs()
    expect(await jobs()).toEqual(['01-01 01:00 cancelled', '01-01 03:00 pending'])
    expect(await scheduler.getSchedules()).toMatchObject([
      { waitingOccurrence: null, firedCount: 2, nextOccurrence: new Date('2027-01-01T04:00Z') },
    ])
  })

  it('queue: pausing forgets the one that waits', async () => {
    const { scheduler, jobs, pass } = await overlapping('queue')
    await pass()
    await pass()
    await scheduler.pauseSchedule('hourly')
    await scheduler.cancelJob('hourly@2027-01-01T01:00:00.000Z')
    await scheduler.resumeSchedule('hourly')
    await scheduler.runDueJobs()
    expect(await jobs()).toEqual(['01-01 01:00 cancelled'])
    expect(await scheduler.getSchedules()).toMatchObject([{ waitingOccurrence: null, skippedCount: 1 }])
  })

  it('queue: triggered while paused, it waits all the same', async () => {
    const { scheduler, jobs } = await overlapping('queue')
    await scheduler.pauseSchedule('hourly')
    const first = await scheduler.triggerSchedule('hourly')
    expect(await scheduler.triggerSchedule('hourly')).toBeNull()
    await scheduler.cancelJob(first ?? '')
    await scheduler.runDueJobs()
    expect(await jobs()).toEqual(['01-01 00:00 cancelled', '01-01 00:00 pending'])
    expect(await scheduler.getSchedules()).toMatchObject([
      { paused: true, waitingOccurrence: null, nextOccurrence: new Date('2027-01-01T01:00Z') },
    ])
  })

  it('replace: the pending one is cancelled', async () => {
    const { scheduler, jobs, pass } = await overlapping('replace')
    await pass()
    await pass()
    expect(await jobs()).toEqual(['01-01 01:00 cancelled', '01-01 02:00 pending'])
    expect(await scheduler.getJob('hourly@2027-01-01T01:00:00.000Z')).toMatchObject({
      errorMessage: 'replaced by a later one',
    })
  })

  it('replace: the running one is asked to stop', async () => {
    const { scheduler } = await makeRecurring(engine)
    const asked: (boolean | undefined)[] = []
    scheduler.registerHandler('long', async (_payload, context) => {
      if (asked.length > 0) return
      asked.push((await scheduler.getJob(context.jobId))?.cancelRequested)
      await scheduler.triggerSchedule('long')
      asked.push((await scheduler.getJob(context.jobId))?.cancelRequested)
    })
    await scheduler.applySchedule({ ...hourly, scheduleId: 'long', job: 'long', overlap: 'replace' })
    await scheduler.triggerSchedule('long')
    expect(await scheduler.runDueJobs()).toBe(2)
    expect(asked).toEqual([false, true])
  })

  it('replace: in a started scheduler the running one hears of it through its signal', async () => {
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema() })
    const started = gate()
    scheduler.registerHandler('long', async (_payload, { signal }) => {
      started.open()
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    })
    await scheduler.start()
    await scheduler.applySchedule({ scheduleId: 'long', job: 'long', rule: '@yearly', overlap: 'replace' })
    const first = await scheduler.triggerSchedule('long')
    await started.promise
    const ended = nextSettled(scheduler, event => event.jobId === first)
    const second = await scheduler.triggerSchedule('long')
    expect(await ended).toMatchObject({ outcome: 'cancelled' })
    await scheduler.cancelJob(second ?? '')
    await scheduler.stop()
  })

  it('queue: a started scheduler starts the next one at once, though its clock stands still', async () => {
    const scheduler = new Scheduler({
      database: engine.database,
      schema: engine.freshSchema(),
      clock: new TestClock(),
    })
    const first = gate()
    const started = gate()
    let running = 0
    let most = 0
    scheduler.registerHandler('long', async () => {
      running += 1
      most = Math.max(most, running)
      started.open()
      await first.promise
      running -= 1
    })
    await scheduler.start()
    const yearly = { scheduleId: 'long', job: 'long', rule: '@yearly', overlap: 'queue' } as const
    await scheduler.applySchedule(yearly)
    const one = await scheduler.triggerSchedule('long')
    await started.promise
    expect(await scheduler.triggerSchedule('long')).toBeNull()
    const ended = nextSettled(scheduler, event => event.jobId !== one)
    first.open()
    expect(await ended).toMatchObject({ outcome: 'completed' })
    expect(most).toBe(1)
    await scheduler.stop()
  })
})
