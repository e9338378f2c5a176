import { BelfryError, Scheduler } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it, onTestFinished } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { describeOnBothEngines } from './support/engines.ts'

const codeOf = (error: unknown) => (error instanceof BelfryError ? error.code : error)

describeOnBothEngines('durable sleeps', engine => {
  const make = async () => {
    const clock = new TestClock()
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock, random: () => 0.5 })
    await scheduler.migrate()
    const outcomes = async (jobId: string) => (await scheduler.getAttempts(jobId)).map(each => each.outcome)
    return { clock, scheduler, outcomes }
  }

  it('a sleep ends the attempt without spending a retry, and is passed at once when its instant has come', async () => {
    const { clock, scheduler, outcomes } = await make()
    const calls: string[] = []
    scheduler.registerHandler('nudge', async (_payload, { step, sleep }) => {
      await step('greet', () => void calls.push('greet'))
      await sleep('a while', '2d')
      await step('nudge', () => void calls.push('nudge'))
    })
    const { jobId } = await scheduler.scheduleJob('nudge', { payload: {}, maxRetries: 0 })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(jobId)).toMatchObject({
      status: 'pending',
      retryCount: 0,
      scheduledTime: new Date('2027-01-03T12:00:00Z'),
    })
    clock.advance('47h 59m')
    expect(await scheduler.runDueJobs()).toBe(0)
    clock.advance('1m')
    expect(await scheduler.runDueJobs()).toBe(1)
    expect(calls).toEqual(['greet', 'nudge'])
    expect(await outcomes(jobId)).toEqual(['snoozed', 'completed'])
  })

  it('a sleep ends at the instant fixed first, whatever wakes the job before', async () => {
    const { clock, scheduler, outcomes } = await make()
    let fail = true
    scheduler.registerHandler('sleepy', async (_payload, { sleep }) => {
      await sleep('until the third', new Date('2027-01-03T12:00:00Z'))
      await sleep('in the past', new Date('2020-01-01T00:00:00Z'))
      if (fail) throw new Error('once more')
    })
    const { jobId } = await scheduler.scheduleJob('sleepy', { payload: {} })
    await scheduler.runDueJobs()
    clock.advance('1d')
    await scheduler.changeJob(jobId, { delay: 0 })
    expect(await scheduler.runDueJobs()).toBe(1)
    expect(await scheduler.getJob(jobId)).toMatchObject({ scheduledTime: new Date('2027-01-03T12:00:00Z') })
    clock.advance('1d')
    await scheduler.runDueJobs()
    fail = false
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(await outcomes(jobId)).toEqual(['snoozed', 'snoozed', 'failed', 'completed'])
  })

  it('what a handler makes of the interruption does not count', async () => {
    const { clock, scheduler, outcomes } = await make()
    const seen: unknown[] = []
    scheduler.registerHandler('stubborn', async (_payload, { sleep, step, signal }) => {
      try {
        await sleep('an hour', '1h')
      } catch (error) {
        seen.push(codeOf(error), signal.aborted, codeOf(await step('more', () => 1).catch((again: unknown) => again)))
        return 'done, I think'
      }
      return 'slept'
    })
    const { jobId } = await scheduler.scheduleJob('stubborn', { payload: {} })
    await scheduler.runDueJobs()
    expect(seen).toEqual(['BELFRY_ATTEMPT_SUSPENDED', true, 'BELFRY_ATTEMPT_SUSPENDED'])
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(jobId)).toMatchObject({ result: 'slept' })
    expect(await outcomes(jobId)).toEqual(['snoozed', 'completed'])
  })

  it('under real time a moment is waited for in place, and a longer sleep is woken from by itself', async () => {
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), pollInterval: '10m' })
    onTestFinished(() => scheduler.stop())
    scheduler.registerHandler('nap', async (_payload, { sleep, step }) => {
      const begun = await step('begun', () => Date.now())
      await sleep('a moment', 50)
      await sleep('longer', '1.2s')
      return Date.now() - begun
    })
    await scheduler.start()
    const { jobId } = await scheduler.scheduleJob('nap', { payload: {} })
    const job = await until('it has slept', async () => {
      const found = await scheduler.getJob(jobId)
      return found?.status === 'completed' && found
    })
    expect(job.attempt).toBe(2)
    expect(job.result).toBeGreaterThanOrEqual(1_240)
  })

  it('a sleep after a wait is not cut short by the event that came before', async () => {
    const { clock, scheduler, outcomes } = await make()
    scheduler.registerHandler('order', async (_payload, { waitForEvent, sleep }) => {
      await waitForEvent('paid', { timeout: '1d' })
      await sleep('cool off', '1h')
    })
    const { jobId } = await scheduler.scheduleJob('order', { payload: {} })
    await scheduler.runDueJobs()
    await scheduler.sendEvent('paid')
    await scheduler.runDueJobs()
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(await outcomes(jobId)).toEqual(['snoozed', 'snoozed', 'completed'])
  })
})
