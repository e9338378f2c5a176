import { defineJob, Scheduler, type ScheduledJob } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'
import { heldJob } from './support/held-job.ts'
import { gate } from './support/settled.ts'

const START = '2027-03-01T12:00:00Z'

describeOnBothEngines('unique keys', engine => {
  function begin(options: Partial<ConstructorParameters<typeof Scheduler>[0]> = {}) {
    const clock = new TestClock(START)
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), clock, ...options })
    return { clock, scheduler }
  }
  const minutes = (n: number) => new Date(Date.parse(START) + n * 60_000)

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
    const { job, seen, begun, ends } = heldJob<{ n: number }>('sync')
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

  it('for a period: a cancelled job has given it back, also when its row is gone', async () => {
    const { scheduler, clock } = begin()
    await scheduler.migrate()
    const ask = () => scheduler.scheduleJob('mail', { uniqueKey: 'ada', uniqueFor: '30d', delay: '1h' })
    await scheduler.cancelJob(await ask())
    expect((await scheduler.admin.deleteJobs({ jobType: 'mail' })).deleted).toBe(1)
    const second = await ask()
    expect(second.conflict).toBe(false)
    await scheduler.cancelJob(second)
    clock.advance('8d')
    expect(await scheduler.prune()).toMatchObject({ cancelled: 1 })
    expect(await ask()).toMatchObject({ conflict: false })
  })

  it('append and replace: a job is about those whom its payload is about', async () => {
    const { scheduler } = begin()
    await scheduler.migrate()
    const say = (payload: string[], subjects?: string[]) =>
      scheduler.scheduleJob('digest', {
        payload,
        uniqueKey: 'a',
        onConflict: 'append',
        delay: '1h',
        ...(subjects && { subjects }),
      })
    const { jobId } = await say(['from ada'], ['user:ada'])
    await say(['from bob'], ['user:bob', 'user:ada'])
    await say(['from nobody'])
    expect((await scheduler.getJob(jobId))?.subjects).toEqual(['user:ada', 'user:bob'])
    const many = Array.from({ length: 19 }, (_, index) => `user:${index}`)
    await expect(say(['from all'], many)).rejects.toMatchObject({ code: 'BELFRY_INVALID_OPTION' })
    expect((await scheduler.getJob(jobId))?.payload).toEqual(['from ada', 'from bob', 'from nobody'])
    const replace = { uniqueKey: 'a', onConflict: 'replace', delay: '1h' } as const
    await scheduler.scheduleJob('digest', { payload: ['instead'], ...replace, subjects: ['user:eve'] })
    expect((await scheduler.getJob(jobId))?.subjects).toEqual(['user:eve'])
    expect(await scheduler.admin.eraseSubject('user:eve')).toMatchObject({ pending: 1 })
  })

  it('replace: the newest counts also in the moment before a job starts, when a runner holds it already', async () => {
    const schema = engine.freshSchema()
    const { scheduler, clock } = begin({ schema })
    await scheduler.migrate()
    const ask = (payload: number) =>
      scheduler.scheduleJob('draft', { payload, uniqueKey: 'a', onConflict: 'replace', delay: 1_000 })
    const first = await ask(1)
    clock.advance(950)
    await engine.database.query(
      `update ${schema}.scheduled_jobs_live set status = 'running', attempt = 1, lease_token = gen_random_uuid()`,
    )
    const second = await ask(2)
    expect(second.conflict).toBe(false)
    expect(await ask(3)).toEqual({ jobId: second.jobId, conflict: true })
    expect(await scheduler.getJob(first)).toMatchObject({ payload: 1, uniqueKey: null })
    expect(await scheduler.getJob(second)).toMatchObject({ payload: 3, uniqueKey: 'a', status: 'pending' })
    // A job that has begun stays what it is.
    clock.advance(1_000)
    await engine.database.query(
      `update ${schema}.scheduled_jobs_live set status = 'running', attempt = 1, lease_token = gen_random_uuid()`,
    )
    expect(await ask(4)).toEqual({ jobId: second.jobId, conflict: true })
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
