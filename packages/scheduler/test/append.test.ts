import { defineJob, payloadCipher, Scheduler } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { describeOnBothEngines } from './support/engines.ts'
import { heldJob } from './support/held-job.ts'
import { gate } from './support/settled.ts'

const START = '2027-03-01T12:00:00Z'

describeOnBothEngines('appending to a job that waits', engine => {
  function begin(options: Partial<ConstructorParameters<typeof Scheduler>[0]> = {}) {
    const clock = new TestClock(START)
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), clock, ...options })
    return { clock, scheduler }
  }
  const minutes = (n: number) => new Date(Date.parse(START) + n * 60_000)

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
    const { job, seen, begun, ends } = heldJob<number[]>('digest')
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
})
