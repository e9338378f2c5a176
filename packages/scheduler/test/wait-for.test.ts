import { BelfryError, Scheduler, type SchedulerOptions } from 'belfry'
import type { Database } from 'belfry/database'
import { expect, expectTypeOf, it } from 'vitest'
import { deleteBatch } from '../src/store/delete-jobs.ts'
import { tablesIn } from '../src/store/tables.ts'
import { until } from '../../../test-support/until.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { gate } from './support/settled.ts'

const codeOf = (error: unknown) => (error instanceof BelfryError ? error.code : error)

describeOnBothEngines('waiting for a job', engine => {
  const make = (schema: string, options: Partial<SchedulerOptions> = {}) =>
    new Scheduler({ database: engine.database, schema, pollInterval: '1h', ...options })

  it('resolves in the process that runs it and in one that only schedules, without polling', async () => {
    const schema = engine.freshSchema()
    const runner = make(schema)
    const open = gate()
    runner.registerHandler('work', async payload => {
      await open.promise
      if ((payload as { fails: boolean }).fails) throw new Error('broken')
      return { answer: 42 }
    })
    await runner.start()
    const client = make(schema)
    const good = await client.scheduleJob('work', { payload: { fails: false } })
    const bad = await client.scheduleJob('work', { payload: { fails: true }, maxRetries: 0 })
    const waits = [
      runner.waitFor<{ answer: number }>(good),
      client.waitFor(good.jobId, { timeout: '1m' }),
      client.waitFor(good),
      client.waitFor(bad),
    ] as const
    open.open()
    const [here, there, again, failed] = await Promise.all(waits)
    expectTypeOf(here.result).toEqualTypeOf<{ answer: number } | null>()
    expect(here).toMatchObject({ jobId: good.jobId, status: 'completed', result: { answer: 42 } })
    expect([there.result, again.result]).toEqual([{ answer: 42 }, { answer: 42 }])
    expect(failed).toMatchObject({ status: 'failed', result: null, errorMessage: 'broken' })
    // At once when it is over already.
    expect(await client.waitFor(good)).toMatchObject({ status: 'completed' })
    await Promise.all([runner.stop(), client.stop()])
  })

  it('hears of jobs that never ran', async () => {
    const client = make(engine.freshSchema())
    await client.migrate()
    const job = await client.scheduleJob('work', { payload: {}, delay: '1h' })
    const wait = client.waitFor(job)
    await client.cancelJob(job, { reason: 'not needed' })
    expect(await wait).toMatchObject({ status: 'cancelled', errorMessage: 'not needed' })
    await client.stop()
  })

  it('works without hints, by looking', async () => {
    const schema = engine.freshSchema()
    const deaf: Database = {
      kind: engine.database.kind,
      maxConnections: engine.database.maxConnections,
      listen: () => Promise.reject(new Error('no LISTEN through this pooler')),
      query: (text, values) => engine.database.query(text, values),
      transaction: run => engine.database.transaction(run),
    }
    const client = make(schema, { database: deaf, pollInterval: '20ms' })
    await client.migrate()
    const job = await client.scheduleJob('work', { payload: {} })
    const wait = client.waitFor(job)
    const runner = make(schema)
    runner.registerHandler('work', () => 'done')
    await runner.start()
    expect(await wait).toMatchObject({ status: 'completed', result: 'done' })
    await Promise.all([runner.stop(), client.stop()])
  })

  it('ends by timeout, by a signal, with the scheduler, and for jobs that are not there', async () => {
    const client = make(engine.freshSchema())
    await client.migrate()
    const job = await client.scheduleJob('work', { payload: {}, delay: '1h' })
    const failing = async (wait: Promise<unknown>) => codeOf(await wait.catch((error: unknown) => error))
    expect(await failing(client.waitFor(job, { timeout: 1 }))).toBe('BELFRY_WAIT_TIMEOUT')
    const controller = new AbortController()
    const aborted = client.waitFor(job, { signal: controller.signal })
    controller.abort(new Error('gone home'))
    const error = await aborted.catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'BELFRY_WAIT_ABORTED', cause: new Error('gone home') })
    expect(await failing(client.waitFor(job, { signal: controller.signal }))).toBe('BELFRY_WAIT_ABORTED')
    expect(await failing(client.waitFor('nobody'))).toBe('BELFRY_JOB_NOT_FOUND')
    expect(await failing(client.waitFor(''))).toBe('BELFRY_INVALID_JOB_ID')
    expect(await failing(client.waitFor(job, { timeout: 'soon' as never }))).toBe('BELFRY_INVALID_DURATION')
    const stopped = failing(client.waitFor(job))
    await client.stop()
    expect(await stopped).toBe('BELFRY_SHUTDOWN')
    expect(await failing(client.waitFor(job))).toBe('BELFRY_SHUTDOWN')
    expect(await client.getJob(job)).toMatchObject({ status: 'pending' })
  })

  const removals: readonly [how: string, remove: (scheduler: Scheduler, schema: string) => Promise<unknown>][] = [
    ['erased', scheduler => scheduler.admin.eraseSubject('user:1')],
    [
      // In one transaction, so that nobody sees it ended.
      'deleted as soon as it has ended',
      (_scheduler, schema) =>
        engine.database.transaction(async transaction => {
          await transaction.query(`update ${schema}.scheduled_jobs set status = 'cancelled', completed_at = now()`)
          const request = { conditions: { jobIds: ['gone'] }, afterId: '', limit: 1, now: null }
          expect(await deleteBatch(transaction, tablesIn(schema), request)).toMatchObject({ deleted: ['gone'] })
        }),
    ],
  ]
  it.each(removals)('is told in every process when the job is %s, without polling', async (_how, remove) => {
    const schema = engine.freshSchema()
    const [client, runner] = [make(schema), make(schema)]
    await runner.start()
    await client.scheduleJob('work', { jobId: 'gone', delay: '1h', subjects: ['user:1'] })
    const waits = Promise.all([client, runner].map(each => each.waitFor('gone').catch(codeOf)))
    const marked = `select 1 from ${schema}.scheduled_jobs_live where awaited`
    await until('it is marked', async () => (await engine.database.query(marked)).rows.length > 0)
    await remove(make(schema), schema)
    expect(await waits).toEqual(['BELFRY_JOB_NOT_FOUND', 'BELFRY_JOB_NOT_FOUND'])
    await Promise.all([runner.stop(), client.stop()])
  })

  it('of many is one statement at a time', async () => {
    const schema = engine.freshSchema()
    let looks = 0
    const counting: Database = {
      kind: engine.database.kind,
      maxConnections: engine.database.maxConnections,
      listen: (...parts) => engine.database.listen(...parts),
      query: (text, values) => {
        if (text.includes("'unmarked'")) looks += 1
        return engine.database.query(text, values)
      },
      transaction: run => engine.database.transaction(run),
    }
    const client = make(schema, { database: counting })
    await client.migrate()
    const jobs = await client.scheduleJobs(Array.from({ length: 200 }, () => ({ job: 'work' })))
    const waits = Promise.all(jobs.map(job => client.waitFor(job)))
    await until('they are looked at', () => Promise.resolve(looks > 0))
    expect(looks).toBeLessThanOrEqual(2)
    const runner = make(schema)
    runner.registerHandler('work', () => 1)
    await runner.start()
    expect((await waits).map(job => job.status)).toEqual(jobs.map(() => 'completed'))
    await Promise.all([runner.stop(), client.stop()])
    expect(looks).toBeLessThan(60)
  })
})
