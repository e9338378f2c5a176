import { defineJob, Scheduler, type BelfryError, type ScheduleOptions } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { describeOnBothEngines } from './support/engines.ts'

describeOnBothEngines('what scheduling takes and refuses', engine => {
  const make = async () => {
    const clock = new TestClock()
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), clock })
    await scheduler.migrate()
    return { clock, scheduler }
  }
  const count = async (scheduler: Scheduler) => (await scheduler.getStats()).counts.pending
  const code = (work: Promise<unknown>) =>
    work.then(
      () => 'fine',
      (error: BelfryError) => error.code,
    )

  const circular: { self?: unknown } = {}
  circular.self = circular
  let deep: unknown = {}
  for (let level = 0; level < 10_000; level += 1) deep = [deep]
  const payloads: [string, unknown, string][] = [
    ['a BigInt', { n: 1n }, 'BELFRY_INVALID_PAYLOAD'],
    ['a circle', circular, 'BELFRY_INVALID_PAYLOAD'],
    ['NaN', { n: Number.NaN }, 'BELFRY_INVALID_PAYLOAD'],
    ['a Map', { m: new Map([[1, 2]]) }, 'BELFRY_INVALID_PAYLOAD'],
    ['a promise', { user: Promise.resolve({ name: 'Ada' }) }, 'BELFRY_INVALID_PAYLOAD'],
    ['an Error', { error: new Error('down') }, 'BELFRY_INVALID_PAYLOAD'],
    ['a function', { f: () => 1 }, 'BELFRY_INVALID_PAYLOAD'],
    ['a NUL character', { text: 'a\0b' }, 'BELFRY_INVALID_PAYLOAD'],
    ['a lone surrogate', { text: '\ud800' }, 'BELFRY_INVALID_PAYLOAD'],
    ['a key with a NUL', { 'a\0': 1 }, 'BELFRY_INVALID_PAYLOAD'],
    ['ten thousand levels', deep, 'BELFRY_INVALID_PAYLOAD'],
    ['10 MB', { text: 'x'.repeat(10_000_000) }, 'BELFRY_PAYLOAD_TOO_LARGE'],
  ]
  it.each(payloads)('refuses a payload with %s', async (_story, payload, expected) => {
    const { scheduler } = await make()
    expect(await code(scheduler.scheduleJob('any', { payload }))).toBe(expected)
    expect(await count(scheduler)).toBe(0)
  })

  const options: [string, object, string][] = [
    ['a date far away', { scheduledTime: new Date('9999-01-01') }, 'BELFRY_INVALID_TIME'],
    ['a date that is none', { scheduledTime: new Date('soon') }, 'BELFRY_INVALID_TIME'],
    ['a text for a date', { scheduledTime: '2027-01-01' }, 'BELFRY_INVALID_TIME'],
    ['both a time and a delay', { scheduledTime: new Date(), delay: '1h' }, 'BELFRY_INVALID_TIME'],
    ['a negative delay', { delay: -1 }, 'BELFRY_INVALID_DURATION'],
    ['a delay in a strange unit', { delay: '3 fortnights' }, 'BELFRY_INVALID_DURATION'],
    ['negative retries', { maxRetries: -1 }, 'BELFRY_INVALID_OPTION'],
    ['an id with a line break', { jobId: 'a\nb' }, 'BELFRY_INVALID_JOB_ID'],
    ['an empty key', { uniqueKey: '' }, 'BELFRY_INVALID_JOB_ID'],
    ['a key of 256 characters', { uniqueKey: 'x'.repeat(256) }, 'BELFRY_INVALID_JOB_ID'],
  ]
  it.each(options)('refuses %s', async (_story, given, expected) => {
    const { scheduler } = await make()
    expect(await code(scheduler.scheduleJob('any', given as ScheduleOptions))).toBe(expected)
    expect(await count(scheduler)).toBe(0)
  })

  it('refuses type names that break logs and rows, and takes quotes', async () => {
    const { scheduler } = await make()
    for (const type of ['', ' blank ', 'a\u0000b', 'x'.repeat(101)]) {
      expect(await code(scheduler.scheduleJob(type, { payload: {} }))).toBe('BELFRY_INVALID_JOB_TYPE')
    }
    const { jobId } = await scheduler.scheduleJob(`it's "quoted"; drop table`, { payload: { 'k"\'': "v'" } })
    expect(await scheduler.getJob(jobId)).toMatchObject({
      jobType: `it's "quoted"; drop table`,
      payload: { 'k"\'': "v'" },
    })
  })

  it('checks a payload as it will be read back, and stores what was passed in', async () => {
    const { scheduler } = await make()
    const when = defineJob({ type: 'when', payload: z.object({ at: z.coerce.date(), times: z.number().default(3) }) })
    const strict = defineJob({ type: 'strict', payload: z.object({ at: z.date() }) })
    const { jobId } = await scheduler.scheduleJob(when, { at: new Date('2027-05-01') })
    expect(await scheduler.getJob(jobId)).toMatchObject({ payload: { at: '2027-05-01T00:00:00.000Z' } })
    expect(await code(scheduler.scheduleJob(strict, { at: new Date() }))).toBe('BELFRY_INVALID_PAYLOAD')
  })

  it('brings old payloads up to date', async () => {
    const { scheduler } = await make()
    await scheduler.scheduleJob('greet', { payload: { name: 'Ada Example' }, jobId: 'old' })
    const seen: unknown[] = []
    scheduler.registerHandler(
      defineJob({
        type: 'greet',
        payloadVersion: 2,
        payload: z.object({ first: z.string() }),
        upcast: { 1: old => ({ first: (old as { name: string }).name.split(' ')[0] }) },
      }),
      payload => {
        seen.push(payload)
      },
    )
    await scheduler.runDueJobs()
    expect(seen).toEqual([{ first: 'Ada' }])
  })

  it('gives one unfinished job per unique key, however many ask at once', async () => {
    const { scheduler } = await make()
    scheduler.registerHandler('sum', () => {})
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => scheduler.scheduleJob('sum', { payload: { n }, uniqueKey: 'one' })),
    )
    expect(new Set(answers.map(each => each.jobId)).size).toBe(1)
    expect(answers.filter(each => !each.conflict)).toHaveLength(1)
    await scheduler.runDueJobs()
    expect(await scheduler.scheduleJob('sum', { payload: {}, uniqueKey: 'one' })).toMatchObject({ conflict: false })
  })

  it('replaces a pending job with the same key, and puts it off no longer than allowed', async () => {
    const { scheduler, clock } = await make()
    const save = (n: number) =>
      scheduler.scheduleJob('save', {
        payload: { n },
        delay: '10s',
        uniqueKey: 'draft',
        onConflict: 'replace',
        maxWait: '25s',
      })
    const begun = clock.now().getTime()
    const first = await save(1)
    for (const n of [2, 3, 4]) {
      clock.advance('8s')
      expect(await save(n)).toEqual({ jobId: first.jobId, conflict: true })
    }
    const job = await scheduler.getJob(first)
    expect(job?.payload).toEqual({ n: 4 })
    expect(job && job.scheduledTime.getTime() - begun).toBe(25_000)
  })

  it('takes thousands at once: all or none, conflicts told by row', async () => {
    const { scheduler } = await make()
    await scheduler.scheduleJob('b', { payload: {}, uniqueKey: 'taken', jobId: 'holder' })
    const many = Array.from({ length: 2_500 }, (_, n) => ({ job: n % 2 ? 'a' : 'b', payload: { n } }))
    const answers = await scheduler.scheduleJobs([...many, { job: 'b', payload: {}, uniqueKey: 'taken' }])
    expect(answers).toHaveLength(2_501)
    expect(answers.at(-1)).toEqual({ jobId: 'holder', conflict: true })
    expect(await count(scheduler)).toBe(2_501)
    const bad = [...many, { job: 'a', payload: { n: 1n } }]
    expect(await code(scheduler.scheduleJobs(bad))).toBe('BELFRY_INVALID_PAYLOAD')
    const taken = [...many, { job: 'a', payload: {}, jobId: 'holder' }]
    expect(await code(scheduler.scheduleJobs(taken))).toBe('BELFRY_DUPLICATE_JOB_ID')
    expect(await count(scheduler)).toBe(2_501)
  })

  it("is part of the caller's own transaction", async () => {
    const { scheduler } = await make()
    const kept = await engine.database.transaction(transaction =>
      scheduler.scheduleJob('a', { payload: {}, transaction }),
    )
    const lost = engine.database.transaction(async transaction => {
      await scheduler.scheduleJob('a', { payload: {}, jobId: 'lost', transaction })
      throw new Error('changed my mind')
    })
    await expect(lost).rejects.toThrow('changed my mind')
    expect(await scheduler.getJob(kept)).toMatchObject({ status: 'pending' })
    expect(await scheduler.getJob('lost')).toBeUndefined()
  })

  it('refuses ids that are taken, by unfinished and finished jobs alike', async () => {
    const { scheduler } = await make()
    scheduler.registerHandler('a', () => {})
    await scheduler.scheduleJob('a', { payload: {}, jobId: 'mine' })
    expect(await code(scheduler.scheduleJob('a', { payload: {}, jobId: 'mine' }))).toBe('BELFRY_DUPLICATE_JOB_ID')
    await scheduler.runDueJobs()
    expect(await code(scheduler.scheduleJob('a', { payload: {}, jobId: 'mine' }))).toBe('BELFRY_DUPLICATE_JOB_ID')
  })

  it('changes, cancels and finds pending jobs', async () => {
    const { scheduler, clock } = await make()
    scheduler.registerHandler('a', payload => payload)
    const { jobId } = await scheduler.scheduleJob('a', { payload: { n: 1 }, delay: '1h', jobId: 'find-me-0001' })
    expect(await scheduler.changeJob(jobId, { payload: { n: 2 }, delay: '5m' })).toBe(true)
    expect((await scheduler.findJobs('find-me')).map(job => job.jobId)).toEqual([jobId])
    expect(await scheduler.findJobs('find_me')).toEqual([])
    clock.advance('5m')
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'completed', result: { n: 2 } })
    expect(await scheduler.changeJob(jobId, { delay: '5m' })).toBe(false)
    const other = await scheduler.scheduleJob('a', { payload: {}, delay: '1h' })
    expect(await scheduler.cancelJob(other, { reason: 'not needed' })).toBe('cancelled')
    expect(await scheduler.cancelJob(other)).toBe('finished')
    expect(await scheduler.cancelJob('nobody')).toBe('not_found')
    clock.advance('2h')
    expect(await scheduler.runDueJobs()).toBe(0)
    expect(await scheduler.getJob(other)).toMatchObject({ status: 'cancelled', errorMessage: 'not needed' })
  })

  it('stores a result that answers for itself, and says why it did not store one it cannot read', async () => {
    const { scheduler } = await make()
    class Row {
      readonly n = 1
      toJSON() {
        return this
      }
    }
    scheduler.registerHandler('own', () => new Row())
    scheduler.registerHandler('lost', () => ({ rows: Promise.resolve([]) }))
    await scheduler.scheduleJobs([
      { job: 'own', jobId: 'own' },
      { job: 'lost', jobId: 'lost' },
    ])
    await scheduler.runDueJobs()
    expect(await scheduler.getJob('own')).toMatchObject({ status: 'completed', result: { n: 1 }, errorMessage: null })
    expect(await scheduler.getJob('lost')).toMatchObject({
      status: 'completed',
      result: null,
      errorMessage: expect.stringMatching(/result was not stored: .* at rows: .* a promise; await it first/),
    })
  })

  it('refuses reasons, limits and changes that are none, and does nothing then', async () => {
    const { scheduler } = await make()
    const { jobId } = await scheduler.scheduleJob('a', { delay: '1h' })
    for (const reason of ['', 'a\0b', '\ud800', 'x'.repeat(1_001), 5, {}, null]) {
      expect(await code(scheduler.cancelJob(jobId, { reason: reason as never }))).toBe('BELFRY_INVALID_OPTION')
      expect(await code(scheduler.admin.pause({}, { reason: reason as never }))).toBe('BELFRY_INVALID_OPTION')
    }
    for (const limit of [-1, Number.NaN, 1.5, '3', null]) {
      expect(await code(scheduler.findJobs('a', limit as never))).toBe('BELFRY_INVALID_OPTION')
    }
    for (const changes of [null, undefined, 5, 'later']) {
      expect(await code(scheduler.changeJob(jobId, changes as never))).toBe('BELFRY_INVALID_OPTION')
    }
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'pending', errorMessage: null })
    expect(await scheduler.admin.listPauses()).toEqual([])
    expect(await scheduler.cancelJob(jobId, { reason: 'two\nlines' })).toBe('cancelled')
  })
})
