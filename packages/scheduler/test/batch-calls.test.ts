import { defineBatchJob, Scheduler, type SchedulerOptions } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { batchScheduler, many, START } from './support/batch-scheduler.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { gate, nextSettled } from './support/settled.ts'

type N = { n: number }

describeOnBothEngines('calls of batch handlers', engine => {
  const make = (options: Partial<SchedulerOptions>) => batchScheduler(engine, options)

  it('cancelling one running job aborts its own signal, not the batch', async () => {
    const running = gate()
    const aborted: string[] = []
    const job = defineBatchJob<N>({
      type: 'long',
      handler: async (jobs, { signal }) => {
        running.open()
        const second = jobs[1]
        await new Promise(resolve => second?.context.signal.addEventListener('abort', resolve))
        aborted.push(...jobs.filter(each => each.context.signal.aborted).map(each => each.jobId))
        expect(signal.aborted).toBe(false)
        return jobs.map(each => each.context.signal.reason as unknown)
      },
    })
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, jobs: [job] })
    await scheduler.migrate()
    const ids = await many(scheduler, job, 3)
    const settled = Promise.all(ids.map(({ jobId }) => nextSettled(scheduler, event => event.jobId === jobId)))
    await scheduler.start()
    await running.promise
    expect(await scheduler.cancelJob(ids[1] ?? '')).toBe('requested')
    expect((await settled).map(event => event.outcome)).toEqual(['completed', 'cancelled', 'completed'])
    expect(aborted).toEqual([ids[1]?.jobId])
    await scheduler.stop()
  })

  it('a stopping process aborts the whole call, and gives every attempt back', async () => {
    const running = gate()
    let reason: unknown
    const job = defineBatchJob<N>({
      type: 'halted',
      handler: async (_jobs, { signal }) => {
        running.open()
        await new Promise(resolve => signal.addEventListener('abort', resolve))
        reason = signal.reason
        throw signal.reason
      },
    })
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, jobs: [job], gracePeriod: 0 })
    await scheduler.migrate()
    const ids = await many(scheduler, job, 2)
    await scheduler.start()
    await running.promise
    await scheduler.stop()
    expect(reason).toMatchObject({ code: 'BELFRY_SHUTDOWN' })
    for (const id of ids) expect(await scheduler.getJob(id)).toMatchObject({ status: 'pending', retryCount: 0 })
  })

  it('concurrency counts calls: while one runs, what becomes due gathers for the next', async () => {
    const gates = [gate(), gate(), gate()]
    const started = [gate<number>(), gate<number>(), gate<number>()]
    let calls = 0
    const job = defineBatchJob<N>({
      type: 'gathering',
      size: 10,
      handler: async jobs => {
        const call = calls
        calls += 1
        started[call]?.open(jobs.length)
        await gates[call]?.promise
      },
    })
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), jobs: [job] })
    await scheduler.start()
    await scheduler.scheduleJob(job, { n: 0 })
    expect(await started[0]?.promise).toBe(1)
    await many(scheduler, job, 14)
    gates[0]?.open()
    expect(await started[1]?.promise).toBe(10)
    gates[1]?.open()
    expect(await started[2]?.promise).toBe(4)
    gates[2]?.open()
    await scheduler.stop()
    expect(calls).toBe(3)
  })

  it('with wait, the first job waits for others, until the batch is full or the time is over', async () => {
    const sizes: number[] = []
    const called = [gate(), gate()]
    const job = defineBatchJob<N>({
      type: 'patient',
      size: 3,
      wait: '10s',
      handler: jobs => {
        sizes.push(jobs.length)
        called[sizes.length - 1]?.open()
      },
    })
    const clock = new TestClock(START)
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), jobs: [job], clock })
    await scheduler.start()
    for (let n = 0; n < 3; n += 1) await scheduler.scheduleJob(job, { n })
    await called[0]?.promise
    expect(sizes).toEqual([3])
    await scheduler.scheduleJob(job, { n: 3 })
    const ticking = setInterval(() => clock.advance('1s'), 5)
    await called[1]?.promise
    clearInterval(ticking)
    expect(sizes).toEqual([3, 1])
    await scheduler.stop()
  })

  it('a call that is deaf to its timeout: each job has failed by it, and the slot goes to the next call', async () => {
    const free = gate()
    const running = gate()
    const calls: number[] = []
    const job = defineBatchJob<N>({
      type: 'deaf',
      timeout: '1m',
      maxRetries: 0,
      handler: async jobs => {
        calls.push(jobs.length)
        running.open()
        if (calls.length === 1) await free.promise
      },
    })
    const { scheduler, clock } = await make({ jobs: [job] })
    await scheduler.start()
    const overrun: string[] = []
    scheduler.on('job:overrun', event => overrun.push(event.jobId))
    const ids = await many(scheduler, job, 2)
    await running.promise
    const failed = Promise.all(ids.map(({ jobId }) => nextSettled(scheduler, event => event.jobId === jobId)))
    clock.advance('1m')
    expect(await failed).toMatchObject(ids.map(() => ({ outcome: 'failed', error: { code: 'BELFRY_JOB_TIMEOUT' } })))
    expect(overrun.toSorted()).toEqual(ids.map(each => each.jobId).toSorted())
    const next = nextSettled(scheduler)
    await scheduler.scheduleJob(job, { n: 9 })
    clock.advance('5s')
    expect(await next).toMatchObject({ outcome: 'completed' })
    free.open()
    await scheduler.stop()
    expect(calls).toEqual([2, 1])
  })
})
