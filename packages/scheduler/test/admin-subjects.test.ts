import { Scheduler, systemClock } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { gate, nextSettled } from './support/settled.ts'

describeOnBothEngines('everything about one person', engine => {
  const make = async (clock = new TestClock()) => {
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock, random: () => 0.5 })
    await scheduler.migrate()
    return { clock, schema, scheduler, admin: scheduler.admin }
  }

  it('lists, puts off and cancels the jobs of one subject, and of no other', async () => {
    const { scheduler, clock, admin } = await make()
    await scheduler.scheduleJobs([
      { job: 'mail', jobId: 'a', subjects: ['user:42', 'guild:7'] },
      { job: 'push', jobId: 'b', subjects: ['user:42'], delay: '1h' },
      { job: 'mail', jobId: 'c', subjects: ['user:421'] },
      { job: 'mail', jobId: 'd' },
    ])
    const { jobs } = await admin.listSubject('user:42')
    expect(jobs.map(job => job.jobId)).toEqual(['b', 'a'])
    expect(await admin.postponeSubject('user:42', { by: '1d' })).toMatchObject({ postponed: 2 })
    for (const type of ['mail', 'push']) scheduler.registerHandler(type, () => {})
    clock.advance('2h')
    expect(await scheduler.runDueJobs()).toBe(2)
    expect(await admin.cancelSubject('user:42', { reason: 'unsubscribed' })).toMatchObject({ cancelled: 2 })
    expect((await admin.listJobs({ status: 'cancelled' })).jobs.map(job => job.errorMessage)).toEqual([
      'unsubscribed',
      'unsubscribed',
    ])
  })

  it('erases payloads, results, errors and logs, of finished and pending jobs alike', async () => {
    const { scheduler, clock, schema, admin } = await make()
    scheduler.registerHandler('mail', (payload, { log, attempt }) => {
      log(`to ${JSON.stringify(payload)}`)
      if (attempt === 1) throw new Error(`refused by ${(payload as { to: string }).to}`)
      return payload
    })
    const about = { subjects: ['user:42'], payload: { to: 'ada-secret@example.org' } }
    await scheduler.scheduleJob('mail', { ...about, jobId: 'done' })
    await scheduler.scheduleJob('mail', { jobId: 'other', subjects: ['user:7'], payload: { to: 'bob' } })
    await scheduler.runDueJobs()
    clock.advance('1h')
    await scheduler.runDueJobs()
    await scheduler.scheduleJob('mail', { ...about, jobId: 'failing' })
    await scheduler.runDueJobs()
    await scheduler.scheduleJob('mail', { ...about, jobId: 'later', delay: '1d', metadata: { to: 'ada-secret' } })

    expect(await admin.eraseSubject('user:42', { dryRun: true })).toMatchObject({ pending: 2, running: 0, finished: 1 })
    const erased = await admin.eraseSubject('user:42', { actor: 'privacy desk' })
    expect(erased).toEqual({ dryRun: false, schedules: 0, pending: 2, running: 0, finished: 1, attempts: 3 })
    const everything = await engine.database.query<{ text: string }>(
      `select coalesce(string_agg(text, ' '), '') as text from (
         select to_jsonb(j)::text as text from ${schema}.scheduled_jobs j
         union all select to_jsonb(a)::text from ${schema}.job_attempts a
         union all select to_jsonb(h)::text from ${schema}.job_execution_history h
         union all select to_jsonb(b)::text from ${schema}.belfry_audit b) rows`,
    )
    expect(everything.rows[0]?.text).not.toMatch(/secret|done|failing|later/)
    expect(everything.rows[0]?.text).toContain('bob')
    expect((await admin.listAudit()).entries).toMatchObject([
      {
        actor: 'privacy desk',
        action: 'erase_subject',
        target: 'user:42',
        detail: { pending: 2, finished: 1, attempts: 3 },
      },
    ])
    expect(await scheduler.getAttempts('other')).toHaveLength(2)
  })

  it('asks running jobs to stop: cancelled, they end so; erased, what they answer is stored nowhere', async () => {
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock: systemClock, pollInterval: '1s' })
    const started = { a: gate(), b: gate() }
    const ended = { a: gate<string>(), b: gate<string>() }
    scheduler.registerHandler('long', async (_payload, { jobId, signal }) => {
      const name = jobId as 'a' | 'b'
      started[name].open()
      await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
      ended[name].open(String((signal.reason as { code?: unknown }).code))
      return { secret: true }
    })
    await scheduler.start()
    await scheduler.scheduleJob('long', { jobId: 'a', subjects: ['user:1'] })
    await scheduler.scheduleJob('long', { jobId: 'b', subjects: ['user:2'], payload: { secret: true } })
    await started.a.promise
    await started.b.promise
    const settled = nextSettled(scheduler, event => event.jobId === 'a')
    const cancelled = scheduler.admin.cancelSubject('user:1', { reason: 'enough' })
    expect(await cancelled).toMatchObject({ cancelled: 0, requested: 1, jobIds: ['a'] })
    expect(await ended.a.promise).toBe('BELFRY_JOB_CANCELLED')
    await settled
    expect(await scheduler.admin.eraseSubject('user:2')).toMatchObject({ running: 1, pending: 0 })
    expect(await ended.b.promise).toBe('BELFRY_JOB_CANCELLED')
    await scheduler.stop()
    expect(await scheduler.getJob('b')).toBeUndefined()
    expect(await scheduler.getAttempts('b')).toEqual([])
    expect(await scheduler.getJob('a')).toMatchObject({ subjects: ['user:1'] })
  })

  it('cancels a job that somebody else works on at this moment, as soon as it is free', async ({ skip }) => {
    if (engine.database.kind === 'embedded') skip('one connection: nobody else')
    const { scheduler, schema, admin } = await make()
    await scheduler.scheduleJob('a', { jobId: 'locked', delay: '1h', subjects: ['user:1'] })
    await scheduler.scheduleJob('a', { jobId: 'free', delay: '1h', subjects: ['user:1'] })
    const locked = gate()
    const release = gate()
    const other = engine.database.transaction(async transaction => {
      await transaction.query(`select 1 from ${schema}.scheduled_jobs_live where job_id = 'locked' for update`)
      locked.open()
      await release.promise
    })
    await locked.promise
    const cancelling = admin.cancelSubject('user:1')
    await until('the free one is cancelled and the locked one waited for', async () => {
      const waiting = await engine.database.query(`select 1 from pg_locks where not granted`)
      return (await scheduler.getJob('free'))?.status === 'cancelled' && waiting.rows.length > 0
    })
    expect(await scheduler.getJob('locked')).toMatchObject({ status: 'pending' })
    release.open()
    await other
    expect(await cancelling).toMatchObject({ cancelled: 2, requested: 0 })
    expect(await scheduler.getJob('locked')).toMatchObject({ status: 'cancelled' })
    expect((await admin.listAudit()).entries).toMatchObject([{ detail: { cancelled: 2 } }])
  })
})
