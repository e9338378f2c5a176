import { defineJob, Scheduler } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { Overruns } from '../src/execution/overruns.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { gate, nextSettled } from './support/settled.ts'

describeOnBothEngines('handlers that are deaf to their timeout', engine => {
  it('lose their slot to other jobs after a grace, and are counted while they run', async () => {
    const clock = new TestClock()
    const free = gate()
    const deaf = defineJob({ type: 'deaf', timeout: '1m', maxRetries: 0, handler: () => free.promise })
    const other = defineJob({ type: 'other', handler: () => {} })
    const scheduler = new Scheduler({
      database: engine.database,
      schema: engine.freshSchema(),
      clock,
      concurrency: 1,
      jobs: [deaf, other],
    })
    await scheduler.start()
    const started = new Promise(resolve => scheduler.on('job:started', resolve))
    const overrun = new Promise(resolve => scheduler.on('job:overrun', resolve))
    const timedOut = nextSettled(scheduler)
    await scheduler.scheduleJob(deaf, {})
    await started
    await scheduler.scheduleJob(other, {})
    clock.advance('1m')
    expect(await overrun).toMatchObject({ jobType: 'deaf', timeoutMs: 60_000, running: 1 })
    expect(await timedOut).toMatchObject({ jobType: 'deaf', outcome: 'failed' })
    // It may be claimed by now, and waits for the slot then.
    expect((await scheduler.getStats()).counts).toMatchObject({ completed: 0 })
    const ran = nextSettled(scheduler)
    clock.advance('5s')
    expect(await ran).toMatchObject({ jobType: 'other', outcome: 'completed' })
    // Told with the next heartbeat.
    const ticking = setInterval(() => clock.advance('5s'), 5)
    while ((await scheduler.getStats()).runners[0]?.overrun !== 1) await new Promise(setImmediate)
    clearInterval(ticking)
    free.open()
    const again = nextSettled(scheduler)
    await scheduler.scheduleJob(other, {})
    expect(await again).toMatchObject({ jobType: 'other', outcome: 'completed' })
    await scheduler.stop()
  })
})

it('no more than so many run beside the slots, and when one ends the next may', () => {
  const clock = new TestClock()
  const overruns = new Overruns(clock, 2)
  const given: string[] = []
  const calls = ['a', 'b', 'c', 'd'].map(name => ({ name }))
  for (const call of calls) overruns.began(call, () => given.push(call.name))
  const [a, b, c] = calls
  clock.advance('4999ms')
  expect(given).toEqual([])
  // It ends within its grace: its slot was its own all the time.
  expect(overruns.ended(b ?? {})).toBe(false)
  clock.advance(1)
  expect(given).toEqual(['a', 'c'])
  expect(overruns.ended(a ?? {})).toBe(true)
  expect(given).toEqual(['a', 'c', 'd'])
  expect(overruns.ended(a ?? {})).toBe(false)
  expect(overruns.ended(c ?? {})).toBe(true)
})
