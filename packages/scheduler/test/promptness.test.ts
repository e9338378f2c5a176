import { Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import { expect, it } from 'vitest'
import { createTestDatabase } from '../../../test-support/test-database.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { gate, nextSettled } from './support/settled.ts'

/** So long that nothing in these stories can be found by polling. */
const NEVER_POLLS = { pollInterval: '1h' } as const

describeOnBothEngines('prompt without polling', engine => {
  it('a job that is due now starts now, one that is due later starts when it is due and not before', async () => {
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), ...NEVER_POLLS })
    const starts: number[] = []
    scheduler.registerHandler('note', () => {
      starts.push(Date.now())
    })
    await scheduler.start()
    const first = nextSettled(scheduler)
    await scheduler.scheduleJob('note', { payload: {} })
    await first
    const due = new Date(Date.now() + 400)
    const second = nextSettled(scheduler)
    await scheduler.scheduleJob('note', { payload: {}, scheduledTime: due })
    await second
    expect(starts[1]).toBeGreaterThanOrEqual(due.getTime() - 1)
    const third = nextSettled(scheduler)
    const { jobId } = await scheduler.scheduleJob('note', { payload: {}, delay: '1d' })
    await scheduler.changeJob(jobId, { delay: 50 })
    await third
    await scheduler.stop()
  })

  it('a retry and a snooze come back on time', async () => {
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), ...NEVER_POLLS })
    const done = gate<number>()
    const { defineJob, SnoozeError } = await import('belfry')
    scheduler.registerHandler(
      defineJob({ type: 'thrice', backoff: { initial: 30, jitter: 0 } }),
      (_payload, { attempt }) => {
        if (attempt === 1) throw new Error('not yet')
        if (attempt === 2) throw new SnoozeError(30)
        done.open(attempt)
      },
    )
    await scheduler.start()
    await scheduler.scheduleJob('thrice', { payload: {} })
    expect(await done.promise).toBe(3)
    await scheduler.stop()
  })

  it('no more jobs run at once than allowed, over all and by type, and freed slots are filled again', async () => {
    const { defineJob } = await import('belfry')
    const scheduler = new Scheduler({
      database: engine.database,
      schema: engine.freshSchema(),
      concurrency: 4,
      ...NEVER_POLLS,
    })
    const running = { all: 0, narrow: 0 }
    const most = { all: 0, narrow: 0 }
    const work = (kind: 'wide' | 'narrow') => async () => {
      running.all += 1
      if (kind === 'narrow') running.narrow += 1
      most.all = Math.max(most.all, running.all)
      most.narrow = Math.max(most.narrow, running.narrow)
      await new Promise(resolve => setImmediate(resolve))
      running.all -= 1
      if (kind === 'narrow') running.narrow -= 1
    }
    scheduler.registerHandler('wide', work('wide'))
    scheduler.registerHandler(defineJob({ type: 'narrow', concurrency: 1 }), work('narrow'))
    const all = gate()
    let settled = 0
    scheduler.on('job:settled', () => {
      settled += 1
      if (settled === 60) all.open()
    })
    await scheduler.migrate()
    await scheduler.scheduleJobs(
      Array.from({ length: 60 }, (_, n) => ({ job: n % 3 ? 'wide' : 'narrow', payload: {} })),
    )
    await scheduler.start()
    await all.promise
    expect(most.narrow).toBe(1)
    expect(most.all).toBeGreaterThan(1)
    expect(most.all).toBeLessThanOrEqual(4)
    await scheduler.stop()
  })

  it('a handler that runs into its timeout fails, and one that ignores it is told of', async () => {
    const { defineJob } = await import('belfry')
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), ...NEVER_POLLS })
    const free = gate()
    scheduler.registerHandler(
      defineJob({ type: 'obedient', timeout: 30, maxRetries: 0 }),
      (_payload, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    )
    scheduler.registerHandler(defineJob({ type: 'deaf', timeout: 30, maxRetries: 0 }), () => free.promise)
    const overruns: string[] = []
    scheduler.on('job:overrun', ({ jobType }) => overruns.push(jobType))
    await scheduler.start()
    for (const type of ['obedient', 'deaf']) {
      const settled = nextSettled(scheduler)
      const { jobId } = await scheduler.scheduleJob(type, { payload: {} })
      expect(await settled).toMatchObject({ jobType: type, outcome: 'failed' })
      expect((await scheduler.getAttempts(jobId))[0]).toMatchObject({ errorCode: 'BELFRY_JOB_TIMEOUT' })
    }
    expect(overruns).toEqual(['deaf'])
    free.open()
    await scheduler.stop()
  })
})

it('a job scheduled by another process is heard of at once, also after the listening connection was lost', async () => {
  const database = await createTestDatabase()
  const runner = new Scheduler({ database: fromPool(database.pool), ...NEVER_POLLS })
  runner.registerHandler('hear', () => {})
  await runner.start()
  const other = await createPoolOf(database.url)
  const scheduler = new Scheduler({ database: fromPool(other) })
  const first = nextSettled(runner)
  await scheduler.scheduleJob('hear', { payload: {} })
  await first
  const { rows } = await other.query(
    "select pid from pg_stat_activity where datname = current_database() and query ilike 'listen%'",
  )
  expect(rows).toHaveLength(1)
  const second = nextSettled(runner)
  await other.query('select pg_terminate_backend($1)', [rows[0].pid])
  await scheduler.scheduleJob('hear', { payload: {} })
  await second
  const third = nextSettled(runner)
  await scheduler.scheduleJob('hear', { payload: {} })
  await third
  await scheduler.stop()
  await runner.stop()
  await other.end()
  await database.drop()
})

async function createPoolOf(url: string) {
  const { Pool } = await import('pg')
  return new Pool({ connectionString: url, max: 2 })
}
