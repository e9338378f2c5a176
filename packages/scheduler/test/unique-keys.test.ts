import { defineJob, payloadCipher, Scheduler, type ScheduledJob } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { describeOnBothEngines } from './support/engines.ts'
import { gate } from './support/settled.ts'

const START = '2027-03-01T12:00:00Z'

describeOnBothEngines('unique keys', engine => {
  function begin(options: Partial<ConstructorParameters<typeof Scheduler>[0]> = {}) {
    const clock = new TestClock(START)
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), clock, ...options })
    return { clock, scheduler }
  }
  const minutes = (n: number) => new Date(Date.parse(START) + n * 60_000)

  /** A job that runs until its gate is opened, and says what it was given. */
  function held<Payload>(type: string, options: object = {}) {
    const seen: Payload[] = []
    const begun = [gate(), gate(), gate()]
    const ends = [gate(), gate(), gate()]
    const job = defineJob<Payload>({
      type,
      ...options,
      handler: async payload => {
        const at = seen.push(payload) - 1
        begun[at]?.open()
        await ends[at]?.promise
      },
    })
    return { job, seen, begun, ends }
  }

  it('append: what comes while the job waits is added to its payload, in the order of the calls', async () => {
    const { scheduler } = begin()
    const seen: unknown[] = []
    scheduler.registerHandler('digest', payload => void seen.push(payload))
    await scheduler.migrate()
    const add = (...items: number[]) =>
      scheduler.scheduleJob('digest', { payload: items, uniqueKey: 'ada', onConflict: 'append' })
    const first = await add(1)
    expect(first.conflict).toBe(false)
    expect(await add(2, 3)).toEqual({ jobId: first.jobId, conflict: true })
    await scheduler.scheduleJobs(
      [4, 5].map(n => ({ job: 'digest', payload: [n], uniqueKey: 'ada', onConflict: 'append' })),
    )
    await scheduler.runDueJobs()
    expect(seen).toEqual([[1, 2, 3, 4, 5]])
    await add(6)
    await scheduler.runDueJobs()
    expect(seen).toEqual([[1, 2, 3, 4, 5], [6]])
  })

  it('append: calls at once from everywhere lose no element and make one job', async () => {
    const { scheduler } = begin()
    await scheduler.migrate()
    const add = (n: number) =>
      scheduler.scheduleJob('digest', { payload: [n], uniqueKey: 'ada', onConflict: 'append', delay: '1h' })
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => add(n)))
    expect(new Set(answers.map(each => each.jobId)).size).toBe(1)
    const job = await scheduler.getJob({ jobType: 'digest', uniqueKey: 'ada' })
    const elements = job?.payload as number[]
    expect(elements.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n))
  })

  it('append: while processes take the jobs as fast as they can, every element is seen exactly once', async () => {
    const schema = engine.freshSchema()
    const seen: number[] = []
    const all = gate()
    const job = defineJob<number[]>({
      type: 'digest',
      handler: payload => {
        seen.push(...payload)
        if (seen.length >= 200) all.open()
      },
    })
    const processes = [1, 2].map(() => new Scheduler({ database: engine.database, schema, jobs: [job] }))
    for (const each of processes) await each.start()
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) =>
        processes[n % 2]?.scheduleJob(job, [n], { uniqueKey: `k${n % 3}`, onConflict: 'append' }),
      ),
    )
    await all.promise
    for (const each of processes) await each.stop()
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, n) => n))
    expect(answers.filter(each => each?.conflict).length).toBeGreaterThan(0)
  })

  it('append: each call moves the time, up to maxWait; with keepTime the time stays', async () => {
    const { scheduler, clock } = begin()
    await scheduler.migrate()
    const add = (uniqueKey: string, more: { maxWait: string } | { keepTime: true }) =>
      scheduler.scheduleJob('digest', { payload: [1], uniqueKey, onConflict: 'append', delay: '10m', ...more })
    const dueOf = async (uniqueKey: string) => (await scheduler.getJob({ jobType: 'digest', uniqueKey }))?.scheduledTime
    const movedTo: unknown[] = []
    for (let n = 0; n < 3; n += 1) {
      await add('moves', { maxWait: '15m' })
      await add('stays', { keepTime: true })
      movedTo.push(await dueOf('moves'))
      clock.advance('4m')
    }
    expect(movedTo).toEqual([minutes(10), minutes(14), minutes(15)])
    expect(await dueOf('stays')).toEqual(minutes(10))
    expect((await scheduler.getJob({ jobType: 'digest', uniqueKey: 'stays' }))?.payload).toEqual([1, 1, 1])
  })

  it('append: beside a running job a new one waits with the elements, and none is lost', async () => {
    const { job, seen, begun, ends } = held<number[]>('digest')
    const { scheduler } = begin({ jobs: [job] })
    await scheduler.migrate()
    const add = (n: number) => scheduler.scheduleJob(job, [n], { uniqueKey: 'ada', onConflict: 'append' })
    const first = await add(1)
    const run = scheduler.runDueJobs()
    await begun[0]?.promise
    const second = await add(2)
    expect(second).toMatchObject({ conflict: false })
    expect(await add(3)).toEqual({ jobId: second.jobId, conflict: true })
    expect(await scheduler.getJob(first)).toMatchObject({ status: 'running', uniqueKey: null })
    for (const end of ends) end.open()
    await run
    await scheduler.runDueJobs()
    expect(seen).toEqual([[1], [2, 3]])
    expect(await scheduler.getJob(first)).toMatchObject({ status: 'completed' })
  })

  it('append: what does not fit is refused with a code, and nothing has changed', async () => {
    const job = defineJob({ type: 'digest', payload: z.array(z.number()).max(3) })
    const { scheduler } = begin({ jobs: [job], maxPayloadBytes: 64 })
    await scheduler.migrate()
    const append = { uniqueKey: 'a', onConflict: 'append' } as const
    await expect(scheduler.scheduleJob('any', { payload: { no: 'array' }, ...append })).rejects.toMatchObject({
      code: 'BELFRY_INVALID_PAYLOAD',
    })
    await scheduler.scheduleJob(job, [1, 2], { ...append, delay: '1h' })
    await expect(scheduler.scheduleJob(job, [3, 4], append)).rejects.toMatchObject({ code: 'BELFRY_INVALID_PAYLOAD' })
    expect(await scheduler.getJob({ job, uniqueKey: 'a' })).toMatchObject({
      payload: [1, 2],
      scheduledTime: minutes(60),
    })

    await scheduler.scheduleJob('long', { payload: ['x'.repeat(40)], ...append })
    await expect(scheduler.scheduleJob('long', { payload: ['x'.repeat(40)], ...append })).rejects.toMatchObject({
      code: 'BELFRY_PAYLOAD_TOO_LARGE',
    })
    await scheduler.scheduleJob('plain', { payload: { one: 1 }, uniqueKey: 'a' })
    await expect(scheduler.scheduleJob('plain', { payload: [2], ...append })).rejects.toMatchObject({
      code: 'BELFRY_CANNOT_APPEND',
    })
    // All or none, also in a caller's transaction that goes on.
    await engine.database.transaction(async transaction => {
      const both = [
        { job: 'other', payload: {} },
        { job: 'plain', payload: [2], ...append },
      ]
      await expect(scheduler.scheduleJobs(both, { transaction })).rejects.toMatchObject({
        code: 'BELFRY_CANNOT_APPEND',
      })
      await scheduler.scheduleJob('mine', { transaction })
    })
    const types = (await scheduler.admin.listJobs()).jobs.map(each => each.jobType)
    expect(types.toSorted()).toEqual(['digest', 'long', 'mine', 'plain'])
  })

  it('append: an encrypted payload is opened, added to and closed again; an older version is brought up to date', async () => {
    const schema = engine.freshSchema()
    const cipher = payloadCipher({ keys: { k: Buffer.alloc(32, 3) }, current: 'k' })
    const old = defineJob<string[]>({ type: 'digest' })
    const before = begin({ schema, jobs: [old], payloadCipher: cipher }).scheduler
    await before.migrate()
    const append = { uniqueKey: 'a', onConflict: 'append' } as const
    await before.scheduleJob(old, ['one'], append)
    const seen: unknown[] = []
    const job = defineJob<{ text: string }[]>({
      type: 'digest',
      payloadVersion: 2,
      upcast: { 1: payload => (payload as string[]).map(text => ({ text })) },
      handler: payload => void seen.push(payload),
    })
    const after = begin({ schema, jobs: [job], payloadCipher: cipher }).scheduler
    await after.scheduleJob(job, [{ text: 'two' }], append)
    const { rows } = await engine.database.query<{ text: string }>(
      `select payload::text as text from ${schema}.scheduled_jobs`,
    )
    expect(rows[0]?.text).toContain('aes-256-gcm')
    await expect(before.scheduleJob(old, ['three'], append)).rejects.toMatchObject({ code: 'BELFRY_CANNOT_APPEND' })
    await after.runDueJobs()
    expect(seen).toEqual([[{ text: 'one' }, { text: 'two' }]])
  })

  it('append by a handler: refused when it completes, so the job fails instead of asking for ever', async () => {
    const { scheduler } = begin()
    scheduler.registerHandler('asks', async (_payload, context) => {
      await context.schedule('plain', [2], { uniqueKey: 'a', onConflict: 'append' })
    })
    await scheduler.migrate()
    await scheduler.scheduleJob('plain', { payload: { one: 1 }, uniqueKey: 'a', delay: '1h' })
    const { jobId } = await scheduler.scheduleJob('asks', {})
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'failed' })
  })

  it('replace: the deadline is that of the newest call, which may have none; with keepTime it stays', async () => {
    const { scheduler, clock } = begin()
    const seen: unknown[] = []
    scheduler.registerHandler('digest', payload => void seen.push(payload))
    await scheduler.migrate()
    const ask = (payload: number, more: object) =>
      scheduler.scheduleJob('digest', { payload, uniqueKey: 'ada', onConflict: 'replace', ...more })
    await ask(1, { delay: '1h', expireAfter: '10m' })
    await ask(2, { delay: '3h' })
    clock.advance('3h')
    await scheduler.runDueJobs()
    await ask(3, { delay: '1h' })
    const last = await ask(4, { delay: '1h', expireAfter: '10m' })
    await ask(5, { keepTime: true })
    clock.advance('80m')
    await scheduler.runDueJobs()
    expect(seen).toEqual([2])
    expect(await scheduler.getJob(last)).toMatchObject({ status: 'cancelled' })
  })

  it('while pending: a second job may wait beside a running one, which keeps running without the key', async () => {
    const { job, seen, begun, ends } = held<{ n: number }>('sync')
    const { scheduler } = begin({ jobs: [job] })
    await scheduler.migrate()
    const ask = (n: number, more: object = {}) =>
      scheduler.scheduleJob(job, { n }, { uniqueKey: 'a', uniqueWhile: 'pending', ...more })
    const first = await ask(1)
    expect(await ask(2)).toEqual({ jobId: first.jobId, conflict: true })
    const run = scheduler.runDueJobs()
    await begun[0]?.promise
    expect(await scheduler.scheduleJob(job, { n: 3 }, { uniqueKey: 'a' })).toEqual({
      jobId: first.jobId,
      conflict: true,
    })
    const all = await Promise.all([4, 5, 6].map(n => ask(n)))
    expect(all.filter(each => !each.conflict)).toHaveLength(1)
    expect(new Set(all.map(each => each.jobId)).size).toBe(1)
    await ask(7, { onConflict: 'replace' })
    for (const end of ends) end.open()
    await run
    await scheduler.runDueJobs()
    expect(seen).toEqual([{ n: 1 }, { n: 7 }])
    expect(await scheduler.getJob(first)).toMatchObject({ status: 'completed' })
  })

  it('while pending: a running job that fails goes on without the key, beside the one that has it', async () => {
    const { scheduler, clock } = begin()
    const begun = gate()
    const end = gate()
    let fails = true
    scheduler.registerHandler('sync', async () => {
      begun.open()
      await end.promise
      if (fails) throw new Error('no answer')
    })
    await scheduler.migrate()
    const ask = () => scheduler.scheduleJob('sync', { uniqueKey: 'a', uniqueWhile: 'pending', delay: '1h' })
    const first = await ask()
    await scheduler.changeJob(first, { delay: 0 })
    const run = scheduler.runDueJobs()
    await begun.promise
    const second = await ask()
    end.open()
    await run
    expect(await scheduler.getJob(first)).toMatchObject({ status: 'pending', retryCount: 1, uniqueKey: null })
    expect(await scheduler.getJob({ jobType: 'sync', uniqueKey: 'a' })).toMatchObject({ jobId: second.jobId })
    fails = false
    clock.advance('2h')
    expect(await scheduler.runDueJobs()).toBe(2)
  })

  it('for a period: one job in it, also after that has finished, and the answer names it', async () => {
    const { scheduler, clock } = begin()
    scheduler.registerHandler('mail', () => 'sent')
    await scheduler.migrate()
    const ask = (more: object = {}) => scheduler.scheduleJob('mail', { uniqueKey: 'ada', uniqueFor: '1h', ...more })
    const first = await ask()
    expect(first.conflict).toBe(false)
    clock.advance('10m')
    expect(await ask()).toEqual({ jobId: first.jobId, conflict: true })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(first)).toMatchObject({ status: 'completed' })
    expect(await ask()).toEqual({ jobId: first.jobId, conflict: true })
    // Who asks for no period finds the key free, and other keys and types are others.
    expect(await scheduler.scheduleJob('mail', { uniqueKey: 'ada' })).toMatchObject({ conflict: false })
    expect(await scheduler.scheduleJob('mail', { uniqueKey: 'bo', uniqueFor: '1h' })).toMatchObject({ conflict: false })
    await scheduler.runDueJobs()
    clock.advance('49m')
    expect(await ask()).toMatchObject({ conflict: true })
    clock.advance('1m')
    const [second, third] = await scheduler.scheduleJobs(
      [1, 2].map(() => ({ job: 'mail', uniqueKey: 'ada', uniqueFor: '1h' })),
    )
    expect(second?.conflict).toBe(false)
    expect(third).toEqual({ jobId: second?.jobId, conflict: true })
  })

  it('for a period: an unfinished job keeps the key beyond it; a refused call begins no period', async () => {
    const { scheduler, clock } = begin()
    scheduler.registerHandler('mail', () => {})
    await scheduler.migrate()
    const period = { uniqueKey: 'ada', uniqueFor: '1h' }
    const { jobId } = await scheduler.scheduleJob('mail', { ...period, delay: '3h' })
    clock.advance('2h')
    const answers = await scheduler.scheduleJobs([1, 2].map(() => ({ job: 'mail', ...period })))
    expect(answers).toEqual([1, 2].map(() => ({ jobId, conflict: true })))
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(await scheduler.scheduleJob('mail', period)).toMatchObject({ conflict: false })
  })

  it('for a period: a cancelled job gives it back, a rolled back call never began it, pruning and erasing end it', async () => {
    const { scheduler, clock } = begin()
    const schema = engine.freshSchema()
    const inSchema = begin({ schema, clock }).scheduler
    await inSchema.migrate()
    await scheduler.migrate()
    const ask = (to: Scheduler, more: object = {}): Promise<ScheduledJob> =>
      to.scheduleJob('mail', { uniqueKey: 'ada', uniqueFor: '1h', subjects: ['user:1'], ...more })
    await scheduler.cancelJob(await ask(scheduler))
    expect(await ask(scheduler)).toMatchObject({ conflict: false })
    await engine.database
      .transaction(async transaction => {
        await ask(inSchema, { transaction })
        throw new Error('never mind')
      })
      .catch(() => {})
    expect(await ask(inSchema)).toMatchObject({ conflict: false })
    const periods = async () =>
      (await engine.database.query(`select unique_key from ${schema}.belfry_unique_periods`)).rows.length
    expect(await periods()).toBe(1)
    await inSchema.admin.eraseSubject('user:1')
    expect(await periods()).toBe(0)
    expect(await ask(inSchema)).toMatchObject({ conflict: false })
    clock.advance('61m')
    await inSchema.prune()
    expect(await periods()).toBe(0)
  })

  it('for a period: of calls at once one makes the job', async () => {
    const { scheduler } = begin()
    await scheduler.migrate()
    const ask = () => scheduler.scheduleJob('mail', { uniqueKey: 'ada', uniqueFor: '1h' })
    const answers = await Promise.all(Array.from({ length: 12 }, ask))
    expect(answers.filter(each => !each.conflict)).toHaveLength(1)
    expect(new Set(answers.map(each => each.jobId)).size).toBe(1)
  })

  it('by its key a job is read, changed and cancelled, also inside a transaction of yours', async () => {
    const job = defineJob<{ n: number }>({ type: 'draft' })
    const { scheduler } = begin({ jobs: [job] })
    await scheduler.migrate()
    const key = { job, uniqueKey: 'a' }
    const { jobId } = await scheduler.scheduleJob(job, { n: 1 }, { uniqueKey: 'a', delay: '1h' })
    expect(await scheduler.changeJob({ jobType: 'draft', uniqueKey: 'a' }, { payload: { n: 2 }, delay: 0 })).toBe(true)
    expect(await scheduler.getJob(key)).toMatchObject({ jobId, payload: { n: 2 }, scheduledTime: minutes(0) })
    const inside = engine.database.transaction(async transaction => {
      const answers = [
        await scheduler.changeJob(key, { payload: { n: 3 } }, { transaction }),
        (await scheduler.getJob(key, { transaction }))?.payload,
        await scheduler.cancelJob(key, { transaction }),
        await scheduler.redriveJob(jobId, { transaction }),
        await scheduler.getAttempts(jobId, { transaction }),
      ]
      throw new Error(JSON.stringify(answers))
    })
    await expect(inside).rejects.toThrow('[true,{"n":3},"cancelled",true,[]]')
    expect(await scheduler.getJob(key)).toMatchObject({ payload: { n: 2 }, status: 'pending' })
    expect(await scheduler.cancelJob(key)).toBe('cancelled')
    expect(await scheduler.cancelJob(key)).toBe('not_found')
    expect(await scheduler.changeJob(key, { delay: 0 })).toBe(false)
    expect(await scheduler.getJob(key)).toBeUndefined()
  })

  it('contradictions are refused at the call, and nothing is written', async () => {
    const { scheduler } = begin()
    await scheduler.migrate()
    const refused: object[] = [
      { uniqueWhile: 'pending' },
      { uniqueFor: '1h' },
      { uniqueKey: 'a', uniqueFor: 0 },
      { uniqueKey: 'a', uniqueFor: '1h', onConflict: 'replace' },
      { uniqueKey: 'a', uniqueFor: '1h', uniqueWhile: 'pending' },
      { uniqueKey: 'a', uniqueWhile: 'always' },
      { uniqueKey: 'a', onConflict: 'merge' },
      { uniqueKey: 'a', maxWait: '1h' },
      { uniqueKey: 'a', keepTime: true },
      { uniqueKey: 'a', onConflict: 'replace', keepTime: true, maxWait: '1h' },
      { uniqueKey: 'a', onConflict: 'append', uniqueWhile: 'unfinished', payload: [] },
    ]
    for (const options of refused) {
      await expect(scheduler.scheduleJob('any', options)).rejects.toMatchObject({ code: 'BELFRY_INVALID_OPTION' })
    }
    expect((await scheduler.getStats()).counts.pending).toBe(0)
  })
})
