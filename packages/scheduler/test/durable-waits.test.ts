import { BelfryError, Scheduler, type SchedulerOptions } from 'belfry'
import { TestClock } from 'belfry/testing'
import { afterEach, expect, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { tablesIn } from '../src/store/tables.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { gate } from './support/settled.ts'

const codeOf = (error: unknown) => (error instanceof BelfryError ? error.code : error)

describeOnBothEngines('durable waits', engine => {
  const started: Scheduler[] = []
  const make = async (options: Partial<SchedulerOptions> = {}) => {
    const clock = new TestClock()
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock, random: () => 0.5, ...options })
    await scheduler.migrate()
    const rows = async (table: string) =>
      (await engine.database.query<Record<string, unknown>>(`select * from ${schema}.${table}`)).rows
    const outcomes = async (jobId: string) => (await scheduler.getAttempts(jobId)).map(each => each.outcome)
    return { clock, schema, scheduler, rows, outcomes }
  }
  /** A scheduler that runs by real time. */
  const startLive = async (handlers: (scheduler: Scheduler) => void) => {
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), pollInterval: '10m' })
    started.push(scheduler)
    handlers(scheduler)
    await scheduler.start()
    return scheduler
  }
  afterEach(async () => {
    for (const scheduler of started.splice(0)) await scheduler.stop()
  })

  it('refuses what is no time', async () => {
    const { scheduler } = await make()
    const codes: unknown[] = []
    scheduler.registerHandler('wrong', async (_payload, { sleep, waitForEvent }) => {
      const wrong = [
        sleep('a', new Date(Number.NaN)),
        sleep('b', 'soon'),
        sleep('c', -1),
        sleep('d', new Date('3500-01-01')),
        waitForEvent('e', {} as never),
        waitForEvent('f', undefined as never),
        waitForEvent('', { timeout: 1 }),
        waitForEvent('g', { timeout: 1, key: 'a\0b' }),
      ]
      for (const each of wrong) codes.push(codeOf(await each.catch((error: unknown) => error)))
    })
    await scheduler.scheduleJob('wrong', { payload: {} })
    await scheduler.runDueJobs()
    expect(codes).toEqual([
      'BELFRY_INVALID_TIME',
      'BELFRY_INVALID_DURATION',
      'BELFRY_INVALID_DURATION',
      'BELFRY_INVALID_TIME',
      'BELFRY_INVALID_DURATION',
      'BELFRY_INVALID_DURATION',
      'BELFRY_INVALID_JOB_ID',
      'BELFRY_INVALID_JOB_ID',
    ])
  })

  it('an event wakes the job that waits for it, with its payload, once', async () => {
    const { clock, scheduler, outcomes } = await make()
    scheduler.registerHandler('order', async (_payload, { waitForEvent }) => ({
      paid: await waitForEvent('paid', { key: 'order 7', timeout: '3d' }),
    }))
    const { jobId } = await scheduler.scheduleJob('order', { payload: {} })
    await scheduler.runDueJobs()
    clock.advance('1d')
    expect(await scheduler.sendEvent('paid', { key: 'order 8', payload: { cents: 1 } })).toEqual({ delivered: 0 })
    expect(await scheduler.sendEvent('paid', { payload: { cents: 2 } })).toEqual({ delivered: 0 })
    expect(await scheduler.runDueJobs()).toBe(0)
    expect(await scheduler.sendEvent('paid', { key: 'order 7', payload: { cents: 999 } })).toEqual({ delivered: 1 })
    expect(await scheduler.sendEvent('paid', { key: 'order 7', payload: { cents: 4 } })).toEqual({ delivered: 0 })
    expect(await scheduler.runDueJobs()).toBe(1)
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'completed', result: { paid: { cents: 999 } } })
    expect(await outcomes(jobId)).toEqual(['snoozed', 'completed'])
  })

  it('an event that was sent before is there at once; without a payload it answers null', async () => {
    const { scheduler, outcomes } = await make()
    await scheduler.sendEvent('opened')
    scheduler.registerHandler('early', async (_payload, { waitForEvent }) => ({
      answer: await waitForEvent('opened', { timeout: '1h' }),
    }))
    const { jobId } = await scheduler.scheduleJob('early', { payload: {} })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(jobId)).toMatchObject({ result: { answer: null } })
    expect(await outcomes(jobId)).toEqual(['completed'])
  })

  it('the timeout answers undefined, in every later attempt too, even if the event comes in between', async () => {
    const { clock, scheduler } = await make()
    const answers: unknown[] = []
    scheduler.registerHandler('patient', async (_payload, { waitForEvent, attempt }) => {
      answers.push(await waitForEvent('answer', { timeout: '1h' }))
      if (attempt === 2) throw new Error('once more')
    })
    const { jobId } = await scheduler.scheduleJob('patient', { payload: {} })
    await scheduler.runDueJobs()
    clock.advance('1h')
    // After its time: too late, even though the job has not looked yet.
    expect(await scheduler.sendEvent('answer', { payload: 1, keep: 0 })).toEqual({ delivered: 0 })
    await scheduler.runDueJobs()
    await scheduler.sendEvent('answer', { payload: 2 })
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(answers).toEqual([undefined, undefined])
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'completed', attempt: 3 })
  })

  it('every waiting job gets an event, and each event once: waits of one job get one after the other', async () => {
    const { scheduler } = await make()
    scheduler.registerHandler('listener', async (_payload, { waitForEvent }) => {
      const heard: unknown[] = []
      for (const step of ['first', 'second', 'third']) heard.push(await waitForEvent('news', { timeout: '1h', step }))
      return heard
    })
    const jobs = await scheduler.scheduleJobs([
      { job: 'listener', payload: {} },
      { job: 'listener', payload: {} },
    ])
    await scheduler.runDueJobs()
    expect(await scheduler.sendEvent('news', { payload: 'a' })).toEqual({ delivered: 2 })
    await scheduler.sendEvent('news', { payload: 'b' })
    await scheduler.runDueJobs()
    expect(await scheduler.sendEvent('news', { payload: 'c' })).toEqual({ delivered: 2 })
    await scheduler.runDueJobs()
    for (const job of jobs) {
      expect(await scheduler.getJob(job)).toMatchObject({ status: 'completed', result: ['a', 'b', 'c'], attempt: 3 })
    }
  })

  it('waits that begin together do not share an event either', async () => {
    const { scheduler } = await make()
    for (const payload of ['a', 'b', 'c']) await scheduler.sendEvent('news', { payload })
    scheduler.registerHandler('listener', (_payload, { waitForEvent }) =>
      Promise.all(['one', 'two', 'three'].map(step => waitForEvent('news', { timeout: '1h', step }))),
    )
    const job = await scheduler.scheduleJob('listener', { payload: {} })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(job)).toMatchObject({ status: 'completed', result: ['a', 'b', 'c'] })
  })

  it('the longest names there can be are stored like any other', async () => {
    const { scheduler } = await make()
    // Four bytes each, and nothing that repeats: what compresses well would fit anywhere.
    const long = (seed: number) =>
      Array.from({ length: 127 }, (_, n) => String.fromCodePoint(0x20000 + ((n * 7919 + seed * 104729) % 40000))).join(
        '',
      )
    const [jobId, event, key, step] = [long(1), long(2), long(3), long(4)]
    scheduler.registerHandler('long', async (_payload, context) => {
      await context.step(step, () => 1)
      await context.sleep(step, 0)
      await context.once(step, () => 1)
      return context.waitForEvent(event, { key, timeout: '1h' })
    })
    await scheduler.scheduleJob('long', { payload: {}, jobId })
    await scheduler.runDueJobs()
    expect(await scheduler.sendEvent(event, { key, payload: 'heard' })).toEqual({ delivered: 1 })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'completed', result: 'heard' })
  })

  it('an event that comes while the attempt that waits for it is still ending wakes the job all the same', async () => {
    const { scheduler, outcomes } = await make()
    const sent: unknown[] = []
    scheduler.registerHandler('slow to end', async (_payload, { waitForEvent }) => {
      try {
        return { got: await waitForEvent('now', { timeout: '1d' }) }
      } catch (suspended) {
        // The wait is stored, the attempt is not settled yet.
        sent.push(await scheduler.sendEvent('now', { payload: 'in between' }))
        throw suspended
      }
    })
    const { jobId } = await scheduler.scheduleJob('slow to end', { payload: {}, priority: 3 })
    await scheduler.runDueJobs()
    expect(sent).toEqual([{ delivered: 1 }])
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'completed', result: { got: 'in between' } })
    expect(await outcomes(jobId)).toEqual(['snoozed', 'completed'])
  })

  it("is sent if and only if the caller's transaction commits", async () => {
    const { scheduler, rows } = await make()
    scheduler.registerHandler('waiter', async (_payload, { waitForEvent }) => ({
      got: await waitForEvent('done', { timeout: '1d' }),
    }))
    const job = await scheduler.scheduleJob('waiter', { payload: {} })
    await scheduler.runDueJobs()
    const undone = engine.database.transaction(async transaction => {
      await scheduler.sendEvent('done', { payload: 'undone', transaction })
      throw new Error('undo')
    })
    await expect(undone).rejects.toThrow('undo')
    expect(await scheduler.runDueJobs()).toBe(0)
    expect(await rows('belfry_events')).toEqual([])
    await engine.database.transaction(transaction => scheduler.sendEvent('done', { payload: 'real', transaction }))
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(job)).toMatchObject({ result: { got: 'real' } })
  })

  it('a cancelled job that waited hears nothing, and events past their time go', async () => {
    const { clock, schema, scheduler, rows } = await make()
    scheduler.registerHandler('waiter', (_payload, { waitForEvent }) => waitForEvent('done', { timeout: '30d' }))
    const job = await scheduler.scheduleJob('waiter', { payload: {} })
    await scheduler.runDueJobs()
    await scheduler.cancelJob(job)
    expect(await scheduler.sendEvent('done', { keep: '1h' })).toEqual({ delivered: 0 })
    await scheduler.sendEvent('kept', { keep: '9d' })
    clock.advance('8d')
    await scheduler.prune()
    // A topic goes in the round after its last event.
    await scheduler.prune()
    const { database } = engine
    const tables = tablesIn(schema)
    expect((await rows('belfry_events')).map(row => row['name'])).toEqual(['kept'])
    expect((await rows('belfry_event_topics')).map(row => row['name'])).toEqual(['kept'])
    expect(await rows('belfry_steps')).toEqual([])
    // An event whose time is over is not found either where nobody has pruned.
    clock.advance('2d')
    const late = await scheduler.scheduleJob('waiter', { payload: {} })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(late)).toMatchObject({ status: 'pending' })
    await database.query(`delete from ${tables.live} where job_id = $1`, [late.jobId])
    await scheduler.prune()
    expect(await rows('belfry_steps')).toEqual([])
  })

  it('checks an event at the door', async () => {
    const { scheduler, rows } = await make({ maxPayloadBytes: 100 })
    const codes = []
    for (const [name, options] of [
      ['', {}],
      ['a\0b', {}],
      ['e', { key: '' }],
      ['e', { key: 'x'.repeat(256) }],
      ['e', { payload: 1n }],
      ['e', { payload: 'x'.repeat(200) }],
      ['e', { keep: 'long' }],
    ] as const) {
      codes.push(codeOf(await scheduler.sendEvent(name, options).catch((error: unknown) => error)))
    }
    expect(codes).toEqual([
      ...Array.from({ length: 4 }, () => 'BELFRY_INVALID_JOB_ID'),
      'BELFRY_INVALID_PAYLOAD',
      'BELFRY_PAYLOAD_TOO_LARGE',
      'BELFRY_INVALID_DURATION',
    ])
    expect(await rows('belfry_events')).toEqual([])
  })

  it('a running scheduler is woken by an event at once, without polling', async () => {
    const waiting = gate()
    const scheduler = await startLive(each => {
      each.registerHandler('waiter', async (_payload, { waitForEvent }) => ({
        got: await waitForEvent('go', { timeout: '1d' }),
      }))
      each.on('job:settled', ({ outcome }) => outcome === 'snoozed' && waiting.open())
    })
    const job = await scheduler.scheduleJob('waiter', { payload: {} })
    await waiting.promise
    await engine.database.transaction(transaction => scheduler.sendEvent('go', { payload: 1, transaction }))
    await until('it was woken', async () => (await scheduler.getJob(job))?.status === 'completed')
    expect(await scheduler.getJob(job)).toMatchObject({ result: { got: 1 }, attempt: 2 })
  })

  it('however sends and waits fall together, each job gets its event and runs twice at most', async () => {
    const scheduler = await startLive(each =>
      each.registerHandler('racer', async (payload, { waitForEvent }) => ({
        own: await waitForEvent('own', { key: `k${(payload as { n: number }).n}`, timeout: '1d' }),
        all: await waitForEvent('all', { timeout: '1d' }),
      })),
    )
    const count = 60
    const jobs = scheduler.scheduleJobs(Array.from({ length: count }, (_, n) => ({ job: 'racer', payload: { n } })))
    const sends = Array.from({ length: count }, (_, n) => scheduler.sendEvent('own', { key: `k${n}`, payload: n }))
    await Promise.all(sends)
    await scheduler.sendEvent('all', { payload: 'everybody' })
    const ids = await jobs
    await until('all have ended', async () => (await scheduler.getStats()).counts.completed === count)
    for (const [n, job] of ids.entries()) {
      const found = await scheduler.getJob(job)
      expect(found?.result).toEqual({ own: n, all: 'everybody' })
      expect(found?.attempt).toBeLessThanOrEqual(3)
    }
  })
})
