import { defineJob, Scheduler } from 'belfry'
import type { Database } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { gate } from './support/settled.ts'

describeOnBothEngines('once more after the running one', engine => {
  const rerun = { uniqueKey: 'index', onConflict: 'rerun' } as const
  const make = async (database: Database = engine.database) => {
    const clock = new TestClock('2027-03-01T12:00:00Z')
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database, schema, clock })
    await scheduler.migrate()
    const keys = async () =>
      (
        await engine.database.query<{ n: number }>(
          `select count(*)::int as n from ${schema}.scheduled_jobs_live where unique_key = 'index'`,
        )
      ).rows[0]?.n
    return { clock, schema, scheduler, keys }
  }

  it('a pending job takes over the newest payload', async () => {
    const { scheduler } = await make()
    const seen: unknown[] = []
    scheduler.registerHandler('index', payload => void seen.push(payload))
    const first = await scheduler.scheduleJob('index', { payload: { n: 1 }, ...rerun })
    expect(await scheduler.scheduleJob('index', { payload: { n: 2 }, ...rerun })).toEqual({
      jobId: first.jobId,
      conflict: true,
    })
    expect(await scheduler.runDueJobs()).toBe(1)
    expect(seen).toEqual([{ n: 2 }])
  })

  it('many calls while it runs make one more run, with the newest payload and what else the first was made of', async () => {
    const { scheduler, keys, clock } = await make()
    const seen: unknown[] = []
    scheduler.registerHandler('index', async payload => {
      seen.push(payload)
      if (seen.length > 1) return
      for (const n of [2, 3, 4]) {
        expect(await scheduler.scheduleJob('index', { payload: { n }, ...rerun, delay: '1h' })).toMatchObject({
          conflict: true,
        })
      }
    })
    const first = await scheduler.scheduleJob('index', { payload: { n: 1 }, ...rerun, tags: ['search'], weight: 2 })
    expect(await scheduler.runDueJobs()).toBe(1)
    expect(await keys()).toBe(1)
    const next = await scheduler.getJobByKey('index', 'index')
    expect(next).toMatchObject({ payload: { n: 4 }, tags: ['search'], status: 'pending' })
    expect(next?.jobId).not.toBe(first.jobId)
    expect((next?.scheduledTime.getTime() ?? 0) - clock.now().getTime()).toBe(3_600_000)
    clock.advance('1h')
    expect(await scheduler.runDueJobs()).toBe(1)
    expect(seen).toEqual([{ n: 1 }, { n: 4 }])
    expect(await keys()).toBe(0)
  })

  it('a job that failed and waits for its retry takes over the payload, and owes no other run', async () => {
    const { scheduler, clock } = await make()
    const seen: unknown[] = []
    const job = defineJob<{ n: number }>({ type: 'index', backoff: { initial: '1m', jitter: 0 } })
    scheduler.registerHandler(job, async (payload, { attempt }) => {
      seen.push(payload.n)
      if (attempt > 1) return
      await scheduler.scheduleJob('index', { payload: { n: 2 }, ...rerun })
      throw new Error('not yet')
    })
    await scheduler.scheduleJob('index', { payload: { n: 1 }, ...rerun })
    await scheduler.runDueJobs()
    await scheduler.scheduleJob('index', { payload: { n: 3 }, ...rerun })
    clock.advance('1m')
    await scheduler.runDueJobs()
    expect(seen).toEqual([1, 3])
  })

  it('not when it was cancelled while it ran', async () => {
    const { scheduler, keys } = await make()
    scheduler.registerHandler('index', async (_payload, { jobId, signal }) => {
      await scheduler.scheduleJob('index', { payload: { n: 2 }, ...rerun })
      await scheduler.cancelJob(jobId)
      signal.throwIfAborted()
    })
    const job = await scheduler.scheduleJob('index', { payload: { n: 1 }, ...rerun })
    expect(await scheduler.runDueJobs()).toBe(1)
    expect(await scheduler.getJob(job)).toMatchObject({ status: 'cancelled' })
    expect(await keys()).toBe(0)
  })

  it.each([
    ['a word', '"now"', { n: 1 }],
    ['nothing of what it should have', '{}', { n: 1 }],
    ['a version and a time that are none', '{"payload": {"n": 2}, "version": "two", "due_ms": "soon"}', { n: 2 }],
    ['numbers beyond all bounds', '{"payload": {"n": 2}, "version": 1e40, "due_ms": -1e400}', { n: 2 }],
  ])(
    'a wish that somebody has changed by hand into %s holds up nobody, and is not lost',
    async (_, spoiled, payload) => {
      const { scheduler, schema } = await make()
      const seen: unknown[] = []
      scheduler.registerHandler('index', async given => {
        seen.push(given)
        if (seen.length > 1) return
        await scheduler.scheduleJob('index', { payload: { n: 2 }, ...rerun })
        await engine.database.query(
          `update ${schema}.scheduled_jobs_live set options = jsonb_set(options, '{rerun}', $1::text::jsonb)
         where job_type = 'index'`,
          [spoiled],
        )
      })
      scheduler.registerHandler('after', () => void seen.push('after'))
      const parent = await scheduler.scheduleJob('index', { payload: { n: 1 }, ...rerun })
      await scheduler.scheduleJob('after', { dependsOn: [parent] })
      for (let round = 0; round < 3; round += 1) await scheduler.runDueJobs()
      expect(seen).toHaveLength(3)
      expect(seen).toEqual(expect.arrayContaining([{ n: 1 }, payload, 'after']))
    },
  )

  it('a job whose options are no object can be given a new payload and another window', async () => {
    const { scheduler, schema } = await make()
    const { jobId } = await scheduler.scheduleJob('index', { payload: { n: 1 }, ...rerun, delay: '1h' })
    const spoil = () => engine.database.query(`update ${schema}.scheduled_jobs_live set options = '5'`)
    await spoil()
    await scheduler.scheduleJob('index', { payload: { n: 2 }, ...rerun })
    await spoil()
    expect(await scheduler.changeJob(jobId, { window: { from: '09:00', to: '17:00', timeZone: 'UTC' } })).toBe(true)
    expect(await scheduler.getJob(jobId)).toMatchObject({ payload: { n: 2 }, status: 'pending' })
  })

  it('the key is neither doubled nor lost when another call comes between the end and the next run, or the process dies there', async () => {
    let dead = false
    const dying: Database = {
      kind: engine.database.kind,
      maxConnections: engine.database.maxConnections,
      listen: (...parts) => engine.database.listen(...parts),
      query: (text, values) => engine.database.query(text, values),
      transaction: run => (dead ? Promise.reject(new Error('the process died')) : engine.database.transaction(run)),
    }
    for (const between of [false, true]) {
      dead = false
      const { scheduler, schema, clock, keys } = await make(dying)
      scheduler.registerHandler('index', async () => {
        await scheduler.scheduleJob('index', { payload: { n: 2 }, ...rerun })
        dead = true
      })
      await scheduler.scheduleJob('index', { payload: { n: 1 }, ...rerun })
      await scheduler.runDueJobs().catch(() => {})
      expect(await keys()).toBe(0)
      const seen: unknown[] = []
      const other = new Scheduler({ database: engine.database, schema, clock })
      other.registerHandler('index', payload => void seen.push(payload))
      const stored = between && (await other.scheduleJob('index', { payload: { n: 3 }, ...rerun }))
      expect(stored && stored.conflict).toBe(false)
      expect(await other.runDueJobs()).toBe(1)
      expect(seen).toEqual([{ n: between ? 3 : 2 }])
      expect(await keys()).toBe(0)
    }
  })

  it('however the calls fall, one runs at a time and the last word is heard', async () => {
    const schema = engine.freshSchema()
    const last = gate()
    let running = 0
    let most = 0
    let runs = 0
    const calls = 60
    const options = { database: engine.database, schema, pollInterval: '1h' } as const
    const schedulers = [new Scheduler(options), new Scheduler(options)]
    for (const scheduler of schedulers) {
      scheduler.registerHandler('index', async payload => {
        running += 1
        runs += 1
        most = Math.max(most, running)
        await new Promise(resolve => setImmediate(resolve))
        running -= 1
        if ((payload as { n: number }).n === calls) last.open()
      })
      await scheduler.start()
    }
    for (let n = 1; n <= calls; n += 1) {
      await schedulers[n % 2]?.scheduleJob('index', { payload: { n }, ...rerun })
    }
    await last.promise
    const [one] = schedulers
    await until('nothing is left', async () => (await one?.getJobByKey('index', 'index')) === undefined)
    for (const scheduler of schedulers) await scheduler.stop()
    expect(most).toBe(1)
    expect(runs).toBeLessThanOrEqual(calls)
  })
})
