import { Scheduler, type SchedulerOptions } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'

describeOnBothEngines('what other schedulers promise: unique keys and pending jobs', engine => {
  const make = async (options: Partial<SchedulerOptions> = {}) => {
    const clock = new TestClock()
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock, random: () => 0.5, ...options })
    await scheduler.migrate()
    return { clock, scheduler, schema }
  }

  it('keep: a second job with the key changes nothing about the first', async () => {
    const { scheduler } = await make()
    const first = await scheduler.scheduleJob('sum', { payload: { n: 1 }, delay: '1h', uniqueKey: 'k' })
    const before = await scheduler.getJob(first)
    expect(await scheduler.scheduleJob('sum', { payload: { n: 2 }, uniqueKey: 'k', maxRetries: 9 })).toEqual({
      jobId: first.jobId,
      conflict: true,
    })
    expect(await scheduler.getJob(first)).toEqual(before)
  })

  it('a key belongs to one type: the same text under another is another key', async () => {
    const { scheduler } = await make()
    await scheduler.scheduleJob('sum', { uniqueKey: 'k' })
    expect(await scheduler.scheduleJob('other sum', { uniqueKey: 'k' })).toMatchObject({ conflict: false })
  })

  it.each(['completed', 'failed', 'cancelled'] as const)('a %s job has given its key back', async status => {
    const { scheduler } = await make()
    scheduler.registerHandler('sum', () => {
      if (status === 'failed') throw new Error('no')
    })
    const first = await scheduler.scheduleJob('sum', { uniqueKey: 'k', maxRetries: 0 })
    if (status === 'cancelled') await scheduler.cancelJob(first)
    else await scheduler.runDueJobs()
    expect(await scheduler.getJob(first)).toMatchObject({ status })
    expect(await scheduler.getJobByKey('sum', 'k')).toBeUndefined()
    expect(await scheduler.scheduleJob('sum', { uniqueKey: 'k' })).toMatchObject({ conflict: false })
  })

  it('a job that waits for its retry still has its key, and replacing it changes what is retried', async () => {
    const { clock, scheduler } = await make()
    const seen: unknown[] = []
    scheduler.registerHandler('save', payload => {
      seen.push(payload)
      if (seen.length === 1) throw new Error('no')
    })
    const save = (n: number) =>
      scheduler.scheduleJob('save', { payload: { n }, uniqueKey: 'draft', onConflict: 'replace' })
    const first = await save(1)
    await scheduler.runDueJobs()
    expect(await save(2)).toEqual({ jobId: first.jobId, conflict: true })
    clock.advance('5m')
    await scheduler.runDueJobs()
    expect(seen).toEqual([{ n: 1 }, { n: 2 }])
    expect(await scheduler.getJob(first)).toMatchObject({ status: 'completed' })
  })

  it('replacing a job that runs leaves it alone and says so', async () => {
    const { scheduler } = await make()
    const answers: unknown[] = []
    const save = (n: number) =>
      scheduler.scheduleJob('save', { payload: { n }, uniqueKey: 'draft', onConflict: 'replace' })
    scheduler.registerHandler('save', async () => {
      answers.push(await save(2))
    })
    const first = await save(1)
    await scheduler.runDueJobs()
    expect(answers).toEqual([{ jobId: first.jobId, conflict: true }])
    expect(await scheduler.getJob(first)).toMatchObject({ status: 'completed', payload: { n: 1 } })
    expect((await scheduler.getStats()).counts).toMatchObject({ pending: 0, completed: 1 })
  })

  it('two jobs with one key in the same bulk call are one job, two with one id are refused', async () => {
    const { scheduler } = await make()
    const [first, second] = await scheduler.scheduleJobs([
      { job: 'sum', payload: { n: 1 }, uniqueKey: 'k' },
      { job: 'sum', payload: { n: 2 }, uniqueKey: 'k' },
    ])
    expect(second).toEqual({ jobId: first?.jobId, conflict: true })
    await expect(
      scheduler.scheduleJobs([
        { job: 'sum', jobId: 'twin' },
        { job: 'sum', jobId: 'twin' },
      ]),
    ).rejects.toMatchObject({ code: 'BELFRY_DUPLICATE_JOB_ID' })
    expect((await scheduler.getStats()).counts.pending).toBe(1)
    expect(await scheduler.scheduleJobs([])).toEqual([])
  })

  it('changing the payload leaves the time, changing the time leaves the payload, and no delay pulls it to now', async () => {
    const { scheduler } = await make()
    scheduler.registerHandler('letter', payload => payload)
    const { jobId } = await scheduler.scheduleJob('letter', { payload: { v: 1 }, delay: '3h', maxRetries: 7 })
    const before = await scheduler.getJob(jobId)
    expect(await scheduler.changeJob(jobId, { payload: { v: 2 } })).toBe(true)
    expect(await scheduler.getJob(jobId)).toEqual({ ...before, payload: { v: 2 } })
    expect(await scheduler.changeJob(jobId, { delay: 0 })).toBe(true)
    expect(await scheduler.runDueJobs()).toBe(1)
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'completed', result: { v: 2 }, maxRetries: 7 })
    expect(await scheduler.changeJob('nobody', { delay: 0 })).toBe(false)
  })

  it("cancelling is part of the caller's transaction", async () => {
    const { scheduler } = await make()
    const { jobId } = await scheduler.scheduleJob('letter', { delay: '1h' })
    const undone = engine.database.transaction(async transaction => {
      expect(await scheduler.cancelJob(jobId, { transaction })).toBe('cancelled')
      throw new Error('changed my mind')
    })
    await expect(undone).rejects.toThrow('changed my mind')
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'pending' })
  })

  it('a cancelled job can be given a new life', async () => {
    const { scheduler } = await make()
    scheduler.registerHandler('letter', () => 'sent')
    const { jobId } = await scheduler.scheduleJob('letter', { delay: '1h' })
    expect(await scheduler.redriveJob(jobId)).toBe(false)
    await scheduler.cancelJob(jobId)
    expect(await scheduler.redriveJob(jobId)).toBe(true)
    expect(await scheduler.runDueJobs()).toBe(1)
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'completed', result: 'sent' })
    expect(await scheduler.redriveJob(jobId)).toBe(false)
  })

  it('plain SQL schedules too: with a key, at a time, from a trigger, or not at all when it is rolled back', async () => {
    const { scheduler, schema } = await make()
    await engine.database.query(`create table ${schema}.accounts (name text)`)
    await engine.database.query(`create function ${schema}.greet() returns trigger language plpgsql as $body$
      begin
        perform ${schema}.schedule_job('greet', jsonb_build_object('name', new.name),
          scheduled_time => '2027-01-02T00:00Z', max_retries => 1, unique_key => new.name);
        return new;
      end $body$`)
    await engine.database.query(`create trigger greeting after insert on ${schema}.accounts
      for each row execute function ${schema}.greet()`)
    const open = `insert into ${schema}.accounts values ('Ada Example')`
    await engine.database.query(open)
    await engine.database.query(open)
    const lost = engine.database.transaction(async transaction => {
      await transaction.query(`insert into ${schema}.accounts values ('Ben Example')`)
      throw new Error('changed my mind')
    })
    await expect(lost).rejects.toThrow('changed my mind')
    expect(await scheduler.getJobByKey('greet', 'Ada Example')).toMatchObject({
      payload: { name: 'Ada Example' },
      scheduledTime: new Date('2027-01-02T00:00Z'),
      maxRetries: 1,
    })
    expect((await scheduler.getStats()).counts.pending).toBe(1)
  })

  it('plain SQL is refused what the call is refused, and leaves nothing behind', async () => {
    const { scheduler, schema } = await make()
    const schedule = (options: string) =>
      engine.database.query(`select ${schema}.schedule_job(${options})`).then(
        () => 'taken',
        (error: Error & { code?: unknown }) => error,
      )
    const refused: Readonly<Record<string, RegExp>> = {
      [`''`]: /schedule_job: job_type: expected a name of 1 to 100 characters such as send_invoice, got ''/,
      [`'  t '`]: /job_type: .* got '  t '/,
      [`null`]: /job_type: .* got NULL/,
      [`E'a\\nb'`]: /job_type/,
      [`repeat('x', 101)`]: /job_type/,
      [`'a', null`]: /payload: expected jsonb, got NULL/,
      [`'a', scheduled_time => 'infinity'`]: /scheduled_time: expected a time between 1970 and 3000, got 'infinity'/,
      [`'a', scheduled_time => '-infinity'`]: /scheduled_time/,
      [`'a', scheduled_time => '3000-01-01T00:00Z'`]: /scheduled_time/,
      [`'a', max_retries => -1`]: /max_retries: expected a whole number from 0 up, got '-1'/,
      [`'a', max_retries => null`]: /max_retries: .* got NULL/,
      [`'a', unique_key => ''`]: /unique_key: expected 1 to 255 characters without control characters, got ''/,
      [`'a', unique_key => repeat('k', 256)`]: /unique_key/,
      [`'a', job_id => ''`]: /job_id: expected 1 to 255 characters/,
      [`'a', job_id => E'a\\u0085b'`]: /job_id/,
    }
    for (const [options, message] of Object.entries(refused)) {
      expect(await schedule(options)).toMatchObject({ code: '22023', message: expect.stringMatching(message) })
    }
    expect(await schedule(`'it''s "quoted" – ü', job_id => 'a b', unique_key => 'k', max_retries => 0`)).toBe('taken')
    expect((await scheduler.getStats()).counts.pending).toBe(1)
  })

  it('plain SQL is refused the id of a job, unfinished or finished', async () => {
    const { scheduler, schema } = await make()
    const schedule = () => engine.database.query(`select ${schema}.schedule_job('a', job_id => 'mine')`)
    scheduler.registerHandler('a', () => 'done')
    await schedule()
    await expect(schedule()).rejects.toMatchObject({ code: '23505' })
    expect(await scheduler.runDueJobs()).toBe(1)
    await expect(schedule()).rejects.toMatchObject({
      code: '23505',
      message: "schedule_job: job_id 'mine' belongs to a finished job: choose another, or redrive that job",
    })
    expect((await scheduler.getStats()).counts).toMatchObject({ pending: 0, completed: 1 })
  })

  it('what is not due is not counted as waiting, and a cancelled job is counted nowhere but there', async () => {
    const { clock, scheduler } = await make()
    await scheduler.scheduleJobs([{ job: 'a' }, { job: 'a' }, { job: 'a', delay: '1h' }])
    const { jobId } = await scheduler.scheduleJob('a', { delay: '2h' })
    await scheduler.cancelJob(jobId)
    clock.advance('1m')
    expect(await scheduler.getStats()).toMatchObject({
      due: 2,
      oldestDueMs: 60_000,
      nextDueMs: 3_540_000,
      counts: { pending: 3, cancelled: 1 },
    })
  })

  it('what is asked of a job that does not exist is answered, not thrown', async () => {
    const { scheduler } = await make()
    expect(await scheduler.getJob('nobody')).toBeUndefined()
    expect(await scheduler.getAttempts('nobody')).toEqual([])
    expect(await scheduler.redriveJob('nobody')).toBe(false)
    expect(await scheduler.getJobByKey('a', 'nothing')).toBeUndefined()
  })
})
