import { BelfryError, defineJob, Scheduler, type ScheduledJob, type SchedulerOptions } from 'belfry'
import type { Database } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { describeOnBothEngines } from './support/engines.ts'

const codeOf = (error: unknown) => (error instanceof BelfryError ? error.code : error)

describeOnBothEngines('jobs that depend on others', engine => {
  const make = async (options: Partial<SchedulerOptions> = {}) => {
    const clock = new TestClock('2027-03-01T12:00:00Z')
    const schema = options.schema ?? engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock, ...options })
    await scheduler.migrate()
    const ran: string[] = []
    scheduler.registerHandler('work', (payload: unknown) => {
      const { name, fails } = payload as { name: string; fails?: boolean }
      ran.push(name)
      if (fails) throw new Error(`${name} is broken`)
      return { from: name }
    })
    const work = (name: string, more: Record<string, unknown> = {}) => {
      const { fails = false, ...rest } = more
      return scheduler.scheduleJob('work', { payload: { name, fails }, maxRetries: 0, ...rest })
    }
    const sql = async (text: string) => (await engine.database.query<Record<string, unknown>>(text)).rows
    return { clock, schema, scheduler, ran, work, sql }
  }

  it('start when all of those have ended, and read what they answered', async () => {
    const { scheduler, ran, work, clock } = await make()
    const seen: unknown[] = []
    scheduler.registerHandler('sum', async (_payload, { dependencies, dependency, dependencyCounts }) => {
      seen.push(await dependencies(), await dependencyCounts(), (await dependency('second')).result)
      await expect(dependency('third')).rejects.toMatchObject({ code: 'BELFRY_JOB_NOT_FOUND' })
    })
    const first = await work('first')
    const second = await work('second', { delay: '1h' })
    const sum = await scheduler.scheduleJob('sum', {
      payload: {},
      dependsOn: [first.jobId, { job: second, name: 'second' }],
    })
    await scheduler.runDueJobs()
    expect(ran).toEqual(['first'])
    expect(await scheduler.getJob(sum)).toMatchObject({ status: 'pending', attempt: 0 })
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(sum)).toMatchObject({ status: 'completed', scheduledTime: clock.now() })
    expect(seen[0]).toEqual([
      expect.objectContaining({ name: 'second', jobId: second.jobId, status: 'completed', result: { from: 'second' } }),
      { name: null, jobId: first.jobId, jobType: 'work', status: 'completed', result: { from: 'first' }, error: null },
    ])
    expect(seen.slice(1)).toEqual([{ total: 2, completed: 2, failed: 0, cancelled: 0 }, { from: 'second' }])
  })

  it('are due at their own time if that is later, with their deadline counted from when they can start', async () => {
    const { scheduler, work, clock } = await make()
    const parent = await work('parent', { delay: '1h' })
    const later = await work('later', { delay: '3h', dependsOn: [parent] })
    const sooner = await work('sooner', { delay: '5m', dependsOn: [parent], expireAfter: '10m', priority: 5 })
    clock.advance('2h')
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(sooner)).toMatchObject({ status: 'completed', scheduledTime: clock.now() })
    const waiting = await scheduler.getJob(later)
    expect((waiting?.scheduledTime.getTime() ?? 0) - clock.now().getTime()).toBe(3_600_000)
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(later)).toMatchObject({ status: 'completed' })
  })

  it('are cancelled with the reason, run all the same or wait, when one fails; redriven it lets them go', async () => {
    const { scheduler, ran, work, sql, schema } = await make()
    const parent = await work('parent', { fails: true })
    const cancelled = await work('cancelled', { dependsOn: [parent] })
    const grandchild = await work('grandchild', { dependsOn: [{ job: cancelled, name: 'middle' }] })
    const runs = await work('runs', { dependsOn: [{ job: parent, onFailure: 'run' }] })
    const waits = await work('waits', { dependsOn: [{ job: parent, onFailure: 'wait' }] })
    await scheduler.runDueJobs()
    expect(ran).toEqual(['parent', 'runs'])
    expect(await scheduler.getJob(runs)).toMatchObject({ status: 'completed' })
    expect(await scheduler.getJob(cancelled)).toMatchObject({
      status: 'cancelled',
      errorMessage: `dependency ${parent.jobId} failed`,
    })
    expect(await scheduler.getJob(grandchild)).toMatchObject({
      status: 'cancelled',
      errorMessage: `dependency "middle" (${cancelled.jobId}) was cancelled`,
    })
    expect(await scheduler.getJob(waits)).toMatchObject({ status: 'pending' })
    const explained = await scheduler.admin.explain(waits)
    expect(explained).toMatchObject({ because: { kind: 'dependency', jobs: [parent.jobId] } })
    expect(explained?.because.change).toContain(`Redrive ${parent.jobId}`)
    await sql(`update ${schema}.scheduled_jobs set payload = '{"name": "repaired"}' where job_id = '${parent.jobId}'`)
    expect(await scheduler.redriveJob(parent)).toBe(true)
    await scheduler.runDueJobs()
    expect(ran).toEqual(['parent', 'runs', 'repaired', 'waits'])
    // A cancelled child that a person redrives runs now: that is the person's wish.
    expect(await scheduler.redriveJob(grandchild)).toBe(true)
    await scheduler.runDueJobs()
    expect(ran.at(-1)).toBe('grandchild')
  })

  it('depend on jobs that have ended before: they go on at once, or are cancelled at once', async () => {
    const { scheduler, ran, work } = await make()
    const good = await work('good')
    const bad = await work('bad', { fails: true })
    await scheduler.runDueJobs()
    const child = await work('child', { dependsOn: [good] })
    const doomed = await work('doomed', { dependsOn: [good, bad] })
    const waiting = await work('waiting', { dependsOn: [{ job: bad, onFailure: 'wait' }] })
    await scheduler.runDueJobs()
    expect(ran).toEqual(['good', 'bad', 'child'])
    expect(await scheduler.getJob(child)).toMatchObject({ status: 'completed' })
    expect(await scheduler.getJob(doomed)).toMatchObject({ status: 'cancelled' })
    expect((await scheduler.admin.redriveJobs({ jobId: bad.jobId })).redriven).toBe(1)
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(waiting)).toMatchObject({ status: 'pending' })
  })

  it('refuse what cannot be, before anything is stored', async () => {
    const { scheduler, work, sql, schema } = await make()
    const parent = await work('parent', { delay: '1h' })
    const refused = async (dependsOn: unknown, more: Record<string, unknown> = {}) =>
      codeOf(await work('child', { dependsOn, ...more }).catch((error: unknown) => error))
    expect(await refused(['nobody'])).toBe('BELFRY_JOB_NOT_FOUND')
    expect(await refused([parent, 'nobody'])).toBe('BELFRY_JOB_NOT_FOUND')
    expect(await refused(['own'], { jobId: 'own' })).toBe('BELFRY_INVALID_DEPENDENCY')
    expect(await refused([parent, parent.jobId])).toBe('BELFRY_INVALID_DEPENDENCY')
    expect(await refused([{ job: parent, onFailure: 'explode' }])).toBe('BELFRY_INVALID_DEPENDENCY')
    expect(await refused(Array.from({ length: 1_001 }, (_, n) => `job-${n}`))).toBe('BELFRY_INVALID_DEPENDENCY')
    expect(await refused(parent.jobId)).toBe('BELFRY_INVALID_DEPENDENCY')
    expect(await refused([7])).toBe('BELFRY_INVALID_JOB_ID')
    const circle = [
      { job: 'work', jobId: 'a', dependsOn: ['b'] },
      { job: 'work', jobId: 'b', dependsOn: ['a'] },
    ]
    const answer: unknown = await scheduler.scheduleJobs(circle).catch((error: unknown) => error)
    expect(codeOf(answer)).toBe('BELFRY_INVALID_DEPENDENCY')
    expect(await sql(`select job_id from ${schema}.scheduled_jobs`)).toEqual([{ job_id: parent.jobId }])
    expect(await sql(`select * from ${schema}.belfry_dependencies`)).toEqual([])
  })

  it('exist with their parents in the transaction of the caller, or neither', async () => {
    const { scheduler, work, ran, sql, schema } = await make()
    await engine.database
      .transaction(async transaction => {
        const parent = await work('parent', { transaction })
        await work('child', { transaction, dependsOn: [parent] })
        throw new Error('changed my mind')
      })
      .catch(() => {})
    expect(await sql(`select * from ${schema}.belfry_dependencies`)).toEqual([])
    await engine.database.transaction(async transaction => {
      const parent = await work('parent', { transaction })
      await work('child', { transaction, dependsOn: [parent] })
      // What is refused leaves the caller's transaction as it was.
      await expect(work('lost', { transaction, dependsOn: ['nobody'] })).rejects.toThrow('no job "nobody"')
    })
    await scheduler.runDueJobs()
    expect(ran).toEqual(['parent', 'child'])
  })

  it('store nothing of themselves when their unique key is taken', async () => {
    const { work, sql, schema, scheduler, ran } = await make()
    const parent = await work('parent')
    const holder = await work('holder', { uniqueKey: 'one' })
    const child = await work('child', { uniqueKey: 'one', dependsOn: [parent] })
    expect(child).toEqual({ jobId: holder.jobId, conflict: true })
    const open = `select count(*)::int as n from ${schema}.belfry_dependencies where outcome is null`
    expect((await sql(open))[0]?.['n']).toBe(0)
    await scheduler.runDueJobs()
    expect(ran.toSorted()).toEqual(['holder', 'parent'])
  })

  it('hear of every way a job can end', async () => {
    const { scheduler, work, clock, schema, sql } = await make({
      jobs: [defineJob({ type: 'expiring', expireAfter: '1m', handler: () => {} })],
    })
    const parents: Record<string, ScheduledJob> = {
      'by cancelling it': await work('a', { delay: '1d' }),
      'by cancelling many': await work('b', { delay: '1d', tags: ['many'] }),
      'by expiry': await scheduler.scheduleJob('expiring', { payload: {} }),
      'by erasing a subject': await work('d', { delay: '1d', subjects: ['user:42'] }),
      'by its process dying too often': await work('e', { delay: '1d' }),
      'by hand': await work('f', { delay: '1d' }),
    }
    const children: Record<string, ScheduledJob> = {}
    for (const [how, parent] of Object.entries(parents)) children[how] = await work(how, { dependsOn: [parent] })
    await scheduler.cancelJob(parents['by cancelling it'] ?? '')
    await scheduler.admin.cancelJobs({ tags: ['many'] })
    await scheduler.admin.eraseSubject('user:42')
    await sql(`delete from ${schema}.scheduled_jobs where job_id = '${parents['by hand']?.jobId}'`)
    await sql(`with gone as (
        insert into ${schema}.belfry_runners (runner_id, lease_until, host, process_id, version, job_types)
        values (gen_random_uuid(), '2027-01-01', 'elsewhere', 1, '0', '{}') returning runner_id)
      update ${schema}.scheduled_jobs_live set status = 'running', attempt = 3, lost_count = 2, started_at = now(),
        runner_id = gone.runner_id, lease_token = gen_random_uuid()
      from gone where job_id = '${parents['by its process dying too often']?.jobId}'`)
    clock.advance('2m')
    await scheduler.start()
    for (const [how, child] of Object.entries(children)) {
      const job = await until(how, async () => {
        const found = await scheduler.getJob(child)
        return found?.status === 'cancelled' && found
      })
      expect(job.errorMessage).toMatch(/^dependency .* (was cancelled|failed|was deleted)$/)
    }
    await scheduler.stop()
    expect(await sql(`select job_id from ${schema}.scheduled_jobs_finished where awaited`)).toEqual([])
  })

  it('wait for their key only when they wait for nothing else', async () => {
    const ran: string[] = []
    const job = defineJob<{ name: string }>({
      type: 'keyed',
      limits: { perKey: { fifo: true } },
      handler: ({ name }) => void ran.push(name),
    })
    const { scheduler, clock } = await make({ jobs: [job] })
    const parent = await scheduler.scheduleJob(job, { name: 'parent' }, { delay: '1h', concurrencyKey: 'other' })
    await scheduler.scheduleJob(job, { name: 'child' }, { dependsOn: [parent], concurrencyKey: 'k' })
    for (const name of ['one', 'two', 'three']) {
      clock.advance(1)
      await scheduler.scheduleJob(job, { name }, { concurrencyKey: 'k' })
    }
    await scheduler.runDueJobs()
    expect(ran).toEqual(['one', 'two', 'three'])
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(ran).toEqual(['one', 'two', 'three', 'parent', 'child'])
  })

  it('follow the very job whose handler schedules them', async () => {
    const { scheduler, ran } = await make()
    scheduler.registerHandler('parent', async (_payload, { schedule, jobId }) => {
      await schedule('work', { name: 'follower' }, { dependsOn: [jobId] })
    })
    await scheduler.scheduleJob('parent', { payload: {} })
    await scheduler.runDueJobs()
    expect(ran).toEqual(['follower'])
    scheduler.registerHandler('careless', (_payload, { schedule }) =>
      schedule('work', { name: 'never' }, { dependsOn: ['nobody'] }),
    )
    const careless = await scheduler.scheduleJob('careless', { payload: {} })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(careless)).toMatchObject({ status: 'failed' })
  })

  it('are let go by another process when the one that settled the last parent died', async () => {
    const { schema, clock, work, ran, scheduler } = await make()
    let dead = false
    const dying: Database = {
      kind: engine.database.kind,
      maxConnections: engine.database.maxConnections,
      listen: (...parts) => engine.database.listen(...parts),
      query: (text, values) => engine.database.query(text, values),
      transaction: run => (dead ? Promise.reject(new Error('the process died')) : engine.database.transaction(run)),
    }
    const errors: string[] = []
    const process = new Scheduler({ database: dying, schema, clock })
    process.on('database:error', ({ during }) => errors.push(during))
    process.registerHandler('work', () => {
      dead = true
    })
    const parent = await work('parent')
    const child = await work('child', { dependsOn: [parent] })
    await expect(process.runDueJobs()).rejects.toThrow('the process died')
    expect(errors).toContain('after jobs')
    expect(await scheduler.getJob(parent)).toMatchObject({ status: 'completed' })
    expect(await scheduler.getJob(child)).toMatchObject({ status: 'pending' })
    await scheduler.runDueJobs()
    expect(ran).toEqual(['child'])
  })

  it('are let go when a process of an earlier release has settled the parent, which knows nothing of them', async () => {
    const { schema, work, ran, scheduler, sql } = await make()
    const parent = await work('parent')
    await work('child', { dependsOn: [parent] })
    await sql(`with gone as (delete from ${schema}.scheduled_jobs_live where job_id = '${parent.jobId}' returning *)
      insert into ${schema}.scheduled_jobs_finished (job_id, job_type, scheduled_time, payload, created_at, status, completed_at)
      select job_id, job_type, scheduled_time, payload, created_at, 'completed', now() from gone`)
    await scheduler.runDueJobs()
    expect(ran).toEqual(['child'])
  })

  it('are let go at the next look when nobody saw that the last one they wait for has ended', async () => {
    const { schema, scheduler, ran, work, sql } = await make()
    const parent = await work('parent', { delay: '1h' })
    await work('child', { dependsOn: [parent] })
    await sql(`update ${schema}.belfry_dependencies set outcome = 'completed'`)
    await scheduler.runDueJobs()
    expect(ran).toEqual(['child'])
  })

  it('find a job that has completed, however late anybody looks: what they wait for is not pruned before', async () => {
    const { schema, scheduler, ran, work, clock, sql } = await make()
    const parent = await work('parent')
    await work('child', { dependsOn: [parent] })
    await sql(`with gone as (delete from ${schema}.scheduled_jobs_live where job_id = '${parent.jobId}' returning *)
      insert into ${schema}.scheduled_jobs_finished
        (job_id, job_type, scheduled_time, payload, created_at, awaited, status, completed_at)
      select job_id, job_type, scheduled_time, payload, created_at, awaited, 'completed', created_at from gone`)
    clock.advance('60d')
    expect(await scheduler.prune()).toMatchObject({ completed: 0 })
    await scheduler.runDueJobs()
    expect(ran).toEqual(['child'])
    expect(await scheduler.prune()).toMatchObject({ completed: 1 })
  })

  it('go with their job when it is deleted', async () => {
    const { work, scheduler, sql, schema, clock } = await make()
    const parent = await work('parent')
    await work('child', { dependsOn: [parent], subjects: ['user:7'] })
    await work('sibling', { dependsOn: [parent] })
    await scheduler.admin.eraseSubject('user:7')
    const left = `select count(*)::int as n from ${schema}.belfry_dependencies`
    expect(await sql(left)).toEqual([{ n: 1 }])
    await scheduler.runDueJobs()
    clock.advance('60d')
    await scheduler.prune()
    expect(await sql(left)).toEqual([{ n: 0 }])
  })
})
