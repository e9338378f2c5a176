import { NonRetryableError, Scheduler, type BelfryError, type JobFilter } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { describeOnBothEngines } from './support/engines.ts'

describeOnBothEngines('what a person asks of many jobs', engine => {
  const make = async () => {
    const clock = new TestClock()
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock, random: () => 0.5 })
    await scheduler.migrate()
    return { clock, scheduler, schema, admin: scheduler.admin }
  }
  const code = (work: () => Promise<unknown>) =>
    Promise.resolve()
      .then(work)
      .then(
        () => 'fine',
        (error: BelfryError) => error.code,
      )

  it('finds jobs by each condition, alone and together', async () => {
    const { scheduler, clock, admin } = await make()
    scheduler.registerHandler('mail', () => {
      throw new NonRetryableError('Mailbox FULL for 17')
    })
    const begun = clock.now()
    await scheduler.scheduleJob('mail', {
      jobId: 'failed',
      subjects: ['user:1', 'order:9'],
      tags: ['eu', 'bulk'],
      concurrencyKey: 'inbox:1',
    })
    clock.advance('1m')
    await scheduler.runDueJobs()
    await scheduler.scheduleJob('mail', { jobId: 'later', delay: '2h', subjects: ['user:1'], tags: ['eu'] })
    clock.advance('1m')
    await scheduler.scheduleJob('other', { jobId: 'keyed', delay: '1h', uniqueKey: 'only', metadata: { from: 'shop' } })
    const ids = async (filter: JobFilter) => (await admin.listJobs(filter)).jobs.map(job => job.jobId)

    expect(await ids({})).toEqual(['keyed', 'later', 'failed'])
    expect(await ids({ status: 'failed' })).toEqual(['failed'])
    expect(await ids({ status: ['pending', 'running'] })).toEqual(['keyed', 'later'])
    expect(await ids({ jobType: 'mail' })).toEqual(['later', 'failed'])
    expect(await ids({ tags: ['eu'] })).toEqual(['later', 'failed'])
    expect(await ids({ tags: ['bulk', 'eu'] })).toEqual(['failed'])
    expect(await ids({ subject: 'order:9' })).toEqual(['failed'])
    expect(await ids({ uniqueKey: 'only' })).toEqual(['keyed'])
    expect(await ids({ concurrencyKey: 'inbox:1' })).toEqual(['failed'])
    expect(await ids({ jobId: ['later', 'keyed', 'nobody'] })).toEqual(['keyed', 'later'])
    expect(await ids({ errorContains: 'mailbox full' })).toEqual(['failed'])
    expect(await ids({ errorContains: 'mail%full' })).toEqual([])
    const minute = new Date(begun.getTime() + 60_000)
    expect(await ids({ created: { to: minute } })).toEqual(['failed'])
    expect(await ids({ created: { from: minute, to: clock.now() } })).toEqual(['later'])
    expect(await ids({ due: { from: new Date(begun.getTime() + 7_200_000) } })).toEqual(['later'])
    expect(await ids({ finished: { from: minute } })).toEqual(['failed'])
    expect(await ids({ subject: 'user:1', status: 'pending' })).toEqual(['later'])
    const [keyed] = (await admin.listJobs({ jobId: 'keyed' })).jobs
    expect((await scheduler.getJob('failed'))?.concurrencyKey).toBe('inbox:1')
    expect(keyed).toMatchObject({
      uniqueKey: 'only',
      concurrencyKey: null,
      metadata: { from: 'shop' },
      errorMessage: null,
    })
    expect(keyed).not.toHaveProperty('payload')
  })

  it('finds the jobs a schedule made', async () => {
    const { scheduler, clock, admin } = await make()
    await scheduler.applySchedule({ scheduleId: 'nightly', job: 'report', rule: '0 3 * * *' })
    await scheduler.scheduleJob('report', { payload: {} })
    clock.advance('1d')
    await scheduler.runDueJobs()
    const { jobs } = await admin.listJobs({ scheduleId: 'nightly' })
    expect(jobs).toMatchObject([{ jobType: 'report', scheduleId: 'nightly' }])
  })

  it('turns pages without missing or repeating one, while jobs are made, run and redriven', async () => {
    const { scheduler, clock, admin } = await make()
    scheduler.registerHandler('a', (_payload, { jobId }) => {
      if (jobId.endsWith('7')) throw new NonRetryableError('no')
    })
    // Many with one creation time, and some from long before.
    await scheduler.scheduleJobs(Array.from({ length: 8 }, (_, n) => ({ job: 'a', jobId: `old-${n}` })))
    clock.advance('3d')
    await scheduler.scheduleJobs(Array.from({ length: 12 }, (_, n) => ({ job: 'a', jobId: `new-${n + 10}` })))
    const seen: string[] = []
    let after: string | null = null
    for (let turn = 0; turn < 20; turn += 1) {
      const page = await admin.listJobs({ jobType: 'a' }, { limit: 3, ...(after !== null && { after }) })
      seen.push(...page.jobs.map(job => job.jobId))
      after = page.next
      if (after === null) break
      if (turn === 1) await scheduler.runDueJobs()
      if (turn === 2) await admin.redriveJobs({ status: 'failed' })
      clock.advance('1s')
      await scheduler.scheduleJob('a', { delay: '1h', jobId: `meanwhile-${turn}` })
    }
    const made = [
      ...Array.from({ length: 12 }, (_, n) => `new-${21 - n}`),
      ...Array.from({ length: 8 }, (_, n) => `old-${7 - n}`),
    ]
    expect(seen).toEqual(made)
    expect(after).toBeNull()
  })

  it('cancels what fits, tells first what it would do, and says who did it', async () => {
    const { scheduler, admin } = await make()
    await scheduler.scheduleJobs([
      ...Array.from({ length: 1_500 }, (_, n) => ({
        job: 'a',
        jobId: `a-${String(n).padStart(4, '0')}`,
        payload: { secret: n },
      })),
      { job: 'b', jobId: 'b' },
    ])
    const wish = { reason: 'wrong list', actor: 'ada@example.org' }
    const preview = await admin.cancelJobs({ jobType: 'a' }, { ...wish, dryRun: true })
    expect(preview).toMatchObject({ dryRun: true, cancelled: 1_500, requested: 0 })
    expect(preview.jobIds).toEqual(Array.from({ length: 10 }, (_, n) => `a-000${n}`))
    expect((await scheduler.getStats()).counts).toMatchObject({ pending: 1_501, cancelled: 0 })
    expect((await admin.listAudit()).entries).toEqual([])

    expect(await admin.cancelJobs({ jobType: 'a' }, wish)).toEqual({ ...preview, dryRun: false })
    expect((await scheduler.getStats()).counts).toMatchObject({ pending: 1, cancelled: 1_500 })
    expect(await scheduler.getJob('a-1499')).toMatchObject({ status: 'cancelled', errorMessage: 'wrong list' })
    const { entries } = await admin.listAudit()
    expect(entries).toMatchObject([
      {
        actor: 'ada@example.org',
        action: 'cancel_jobs',
        target: 'filter',
        detail: { filter: { jobTypes: ['a'] }, reason: 'wrong list', cancelled: 1_500, requested: 0 },
      },
    ])
    expect(JSON.stringify(entries)).not.toContain('secret')
  })

  it('redrives by filter, and leaves a job whose key is taken', async () => {
    const { scheduler, admin } = await make()
    let broken = true
    scheduler.registerHandler('a', () => {
      if (broken) throw new NonRetryableError('down')
    })
    await scheduler.scheduleJob('a', { jobId: 'first', uniqueKey: 'k' })
    await scheduler.runDueJobs()
    await scheduler.scheduleJob('a', { jobId: 'second', uniqueKey: 'k' })
    await scheduler.scheduleJob('a', { jobId: 'plain' })
    await scheduler.runDueJobs()
    expect(await admin.redriveJobs({ status: 'failed' }, { dryRun: true })).toMatchObject({ redriven: 2, skipped: 1 })
    const done = await admin.redriveJobs({ status: ['failed', 'completed'] })
    expect(done).toMatchObject({ redriven: 2, skipped: 1 })
    broken = false
    expect(await scheduler.runDueJobs()).toBe(2)
    expect(await scheduler.getJob('plain')).toMatchObject({ status: 'completed', attempt: 2 })
    expect((await scheduler.getAttempts('plain')).map(each => each.outcome)).toEqual(['failed', 'completed'])
    expect((await scheduler.getStats()).counts).toMatchObject({ completed: 2, failed: 1, pending: 0 })
  })

  it('puts off pending jobs, by a span or to an instant, and leaves those that wait for something else', async () => {
    const { scheduler, clock, schema, admin } = await make()
    await scheduler.scheduleJob('a', { jobId: 'overdue' })
    await scheduler.scheduleJob('a', { jobId: 'soon', delay: '2h', priority: 5 })
    await scheduler.scheduleJob('b', { jobId: 'waits' })
    await engine.database.query(`update ${schema}.scheduled_jobs_live set ready_at = 'infinity' where job_id = 'waits'`)
    clock.advance('1h')
    const now = clock.now().getTime()
    expect(await admin.postponeJobs({ status: 'pending' }, { by: '3h' }, { dryRun: true })).toMatchObject({
      postponed: 3,
    })
    expect(await admin.postponeJobs({ status: 'pending' }, { by: '3h' })).toMatchObject({ postponed: 3 })
    const due = async (jobId: string) => ((await scheduler.getJob(jobId))?.scheduledTime.getTime() ?? 0) - now
    expect(await due('overdue')).toBe(3 * 3_600_000)
    expect(await due('soon')).toBe(4 * 3_600_000)
    scheduler.registerHandler('a', () => {})
    scheduler.registerHandler('b', () => {})
    await admin.postponeJobs({ jobType: ['a', 'b'] }, { to: clock.now() })
    expect(await scheduler.runDueJobs()).toBe(2)
    expect(await scheduler.getJob('waits')).toMatchObject({ status: 'pending' })
    expect(await code(() => admin.postponeJobs({ jobType: 'a' }, { by: '1h', to: clock.now() } as never))).toBe(
      'BELFRY_INVALID_TIME',
    )
  })

  it('deletes finished jobs with their attempts, and no other', async () => {
    const { scheduler, clock, schema, admin } = await make()
    scheduler.registerHandler('a', (_payload, { attempt }) => {
      if (attempt === 1) throw new Error('once')
    })
    await scheduler.scheduleJob('a', { jobId: 'over', tags: ['t'] })
    await scheduler.runDueJobs()
    clock.advance('10m')
    await scheduler.runDueJobs()
    await scheduler.scheduleJob('a', { jobId: 'waiting', delay: '1h', tags: ['t'] })
    expect(await scheduler.getAttempts('over')).toHaveLength(2)
    expect(await admin.deleteJobs({ tags: ['t'] }, { dryRun: true })).toMatchObject({ deleted: 1, jobIds: ['over'] })
    expect(await admin.deleteJobs({ tags: ['t'] })).toMatchObject({ deleted: 1, jobIds: ['over'] })
    expect(await scheduler.getJob('waiting')).toBeDefined()
    const left = await engine.database.query(`select 1 from ${schema}.job_execution_history`)
    expect(left.rows).toEqual([])
  })

  it('gathers failed jobs by what went wrong, and redrives one group', async () => {
    const { scheduler, clock, admin } = await make()
    scheduler.registerHandler('mail', (_payload, { jobId }) => {
      if (jobId.startsWith('dns')) throw new NonRetryableError('host not found')
      throw new NonRetryableError(`user ${jobId.slice(1)} ("Ada") not in 0190a3c4-9d7e-7c1a-8f00-1234567890ab, 3.5 s`)
    })
    for (const jobId of ['m17', 'm4711', 'm9', 'dns-1']) {
      await scheduler.scheduleJob('mail', { jobId })
      clock.advance('1m')
      await scheduler.runDueJobs()
    }
    const groups = await admin.deadLetters()
    expect(groups).toMatchObject([
      { jobType: 'mail', message: "user <n> ('…') not in <id>, <n> s", count: 3, sampleId: 'm9' },
      { jobType: 'mail', message: 'host not found', count: 1, sampleId: 'dns-1' },
    ])
    const [first] = groups
    expect(first && first.lastSeen.getTime() - first.firstSeen.getTime()).toBe(120_000)
    expect(await admin.redriveJobs({ fingerprint: first?.fingerprint ?? '' })).toMatchObject({ redriven: 3 })
    expect((await admin.deadLetters()).map(group => group.message)).toEqual(['host not found'])
  })

  it('refuses filters that would do more than was meant, and hostile input', async () => {
    const { scheduler, admin, schema } = await make()
    await scheduler.scheduleJob('a', { jobId: `it's "here"`, tags: [`'; drop table x; --`], delay: '1h' })
    const bad: unknown[] = [
      {},
      { subjct: 'user:1' },
      { subject: undefined },
      { status: 'lost' },
      { status: [] },
      { tags: [] },
      { created: {} },
      { created: { from: 'today' } },
      { created: { since: new Date() } },
      { subject: 'a\0b' },
      { errorContains: 'a\0b' },
      { jobId: Array.from({ length: 1_001 }, (_, n) => `x${n}`) },
      { constructor: 'x' },
      [],
      null,
      'a',
    ]
    for (const filter of bad) {
      const refusal = await code(() => admin.cancelJobs(filter as JobFilter))
      expect(`${JSON.stringify(filter)}: ${refusal}`).toMatch(/: BELFRY_INVALID_/)
    }
    for (const after of [
      '',
      'x',
      Buffer.from('["a","b"]').toString('base64url'),
      Buffer.from('[1]').toString('base64url'),
    ]) {
      expect(await code(() => admin.listJobs({}, { after }))).toBe('BELFRY_INVALID_OPTION')
      expect(await code(() => admin.listAudit({ after }))).toBe('BELFRY_INVALID_OPTION')
    }
    for (const limit of [0, -1, 1.5, 1_001, Number.NaN]) {
      expect(await code(() => admin.listJobs({}, { limit }))).toBe('BELFRY_INVALID_OPTION')
    }
    expect(await code(() => admin.cancelJobs({ jobType: 'a' }, { actor: '' }))).toBe('BELFRY_INVALID_JOB_ID')
    expect((await scheduler.getStats()).counts.pending).toBe(1)
    expect((await admin.listJobs({ tags: [`'; drop table x; --`] })).jobs).toHaveLength(1)
    expect(await admin.cancelJobs({ jobId: `it's "here"` })).toMatchObject({ cancelled: 1 })
    const audit = await engine.database.query(`select actor, target from ${schema}.belfry_audit`)
    expect(audit.rows).toEqual([{ actor: 'unknown', target: `it's "here"` }])
  })

  it('writes no act down that did not happen', async () => {
    const { scheduler, schema, admin } = await make()
    await scheduler.scheduleJob('a', { jobId: 'kept', delay: '1h' })
    await engine.database.query(`alter table ${schema}.belfry_audit add constraint refuse check (actor <> 'mallory')`)
    await expect(admin.cancelJobs({ jobType: 'a' }, { actor: 'mallory' })).rejects.toThrow(/refuse/)
    expect(await scheduler.getJob('kept')).toMatchObject({ status: 'pending' })
  })

  it('pages the audit, and finds acts by who, what and on whom', async () => {
    const { scheduler, admin } = await make()
    await scheduler.scheduleJob('a', { delay: '1h', subjects: ['user:1'] })
    for (const actor of ['ada', 'bob', 'ada']) await admin.cancelSubject('user:1', { actor })
    await admin.postponeSubject('user:2', { by: '1h' }, { actor: 'bob' })
    const first = await admin.listAudit({ limit: 3 })
    expect(first.entries.map(each => each.actor)).toEqual(['bob', 'ada', 'bob'])
    const second = await admin.listAudit({ limit: 3, after: first.next ?? '' })
    expect(second.entries).toMatchObject([{ actor: 'ada', target: 'user:1', detail: { cancelled: 1 } }])
    expect(second.next).toBeNull()
    expect((await admin.listAudit({ actor: 'ada' })).entries).toHaveLength(2)
    expect((await admin.listAudit({ action: 'postpone_jobs' })).entries).toMatchObject([{ target: 'user:2' }])
    expect((await admin.listAudit({ target: 'user:1' })).entries).toHaveLength(3)
  })
})
