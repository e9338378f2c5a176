import { defineJob, Scheduler, type SchedulerOptions } from 'belfry'
import type { Database } from 'belfry/database'
import { TestClock } from 'belfry/testing'
import { expect } from 'vitest'
import { until } from '../../../../test-support/until.ts'

/** A database to try, and a schema in it that nobody has used. */
interface Place {
  readonly database: Database
  readonly schema: string
}

/** What every PostgreSQL must carry: one story for each kind of statement the library sends. */
export const conformanceStories: Readonly<Record<string, (place: Place) => Promise<void>>> = {
  'migrates once, and finds itself up to date afterwards': async place => {
    const { scheduler } = await make(place)
    const { applied, version } = await scheduler.migrate()
    expect(applied).toEqual([])
    expect(version).toBeGreaterThan(0)
  },

  'runs a job, keeps its result, and takes one from plain SQL': async place => {
    const { scheduler, clock } = await make(place)
    scheduler.registerHandler('echo', payload => payload)
    const { jobId } = await scheduler.scheduleJob('echo', { payload: { n: 1 }, delay: '1h' })
    clock.advance('1h')
    await place.database.query(
      `select ${place.schema}.schedule_job('echo', '{"n": 2}'::jsonb, $1::text::timestamptz, job_id => 'from-sql')`,
      [clock.now().toISOString()],
    )
    expect(await scheduler.runDueJobs()).toBe(2)
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'completed', result: { n: 1 } })
    expect(await scheduler.getJob('from-sql')).toMatchObject({ status: 'completed', result: { n: 2 } })
  },

  'takes two thousand at once and does each once': async place => {
    const { scheduler } = await make(place)
    let runs = 0
    scheduler.registerHandler('many', () => {
      runs += 1
    })
    await scheduler.scheduleJobs(Array.from({ length: 2_000 }, (_, n) => ({ job: 'many', payload: { n } })))
    expect(await scheduler.runDueJobs()).toBe(2_000)
    expect(runs).toBe(2_000)
    expect((await scheduler.getStats()).counts).toMatchObject({ completed: 2_000, pending: 0, running: 0 })
  },

  'retries, fails for good, and gives a failed job a new life': async place => {
    const { scheduler, clock } = await make(place)
    scheduler.registerHandler(defineJob({ type: 'fragile', maxRetries: 1 }), () => {
      throw new Error('broken')
    })
    const { jobId } = await scheduler.scheduleJob('fragile', { payload: {}, maxRetries: 1 })
    await scheduler.runDueJobs()
    clock.advance('1h')
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'failed', retryCount: 1, errorMessage: 'broken' })
    expect((await scheduler.getAttempts(jobId)).map(each => each.outcome)).toEqual(['failed', 'failed'])
    expect(await scheduler.redriveJob(jobId)).toBe(true)
    expect(await scheduler.runDueJobs()).toBe(1)
  },

  'gives one unfinished job per unique key, and replaces it': async place => {
    const { scheduler } = await make(place)
    const options = { payload: { n: 1 }, uniqueKey: 'one', delay: '1h' } as const
    const { jobId } = await scheduler.scheduleJob('sum', options)
    expect(await scheduler.scheduleJob('sum', options)).toEqual({ jobId, conflict: true })
    await scheduler.scheduleJob('sum', { ...options, payload: { n: 2 }, onConflict: 'replace' })
    expect(await scheduler.getJobByKey('sum', 'one')).toMatchObject({ jobId, payload: { n: 2 } })
  },

  'cancels a pending job, and a running one through another scheduler': async place => {
    const { scheduler } = await make(place)
    const { jobId } = await scheduler.scheduleJob('held', { payload: {}, delay: '1h' })
    expect(await scheduler.cancelJob(jobId)).toBe('cancelled')
    const runner = new Scheduler({ ...place, lease: '5s' })
    let held = false
    runner.registerHandler('held', (_payload, { signal }) => {
      held = true
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
    await runner.start()
    const other = new Scheduler(place)
    const running = await other.scheduleJob('held', { payload: {} })
    await until('it runs', () => Promise.resolve(held))
    expect(await other.cancelJob(running)).toBe('requested')
    await until('it is cancelled', async () => (await other.getJob(running))?.status === 'cancelled')
    await runner.stop()
  },

  'fires a schedule at its times': async place => {
    const { scheduler, clock } = await make(place)
    scheduler.registerHandler('tick', (_payload, { occurrence }) => occurrence?.toISOString())
    await scheduler.applySchedule({ scheduleId: 'daily', job: 'tick', rule: '30 2 * * *', timeZone: 'Europe/Berlin' })
    for (let day = 0; day < 3; day += 1) {
      clock.advance('1d')
      await scheduler.runDueJobs()
    }
    expect(await scheduler.getSchedules()).toMatchObject([{ firedCount: 3, skippedCount: 0 }])
    expect((await scheduler.getStats()).counts.completed).toBe(3)
  },

  'takes back the jobs of a runner that is gone': async place => {
    const { scheduler } = await make(place)
    await scheduler.scheduleJob('work', { payload: {}, jobId: 'orphan' })
    await place.database.query(
      `with gone as (
         insert into ${place.schema}.belfry_runners (runner_id, lease_until, host, process_id, version, job_types)
         values (gen_random_uuid(), now() - interval '1 minute', 'elsewhere', 1, '0', '{}') returning runner_id)
       update ${place.schema}.scheduled_jobs_live live set status = 'running', attempt = 1, started_at = now(),
         runner_id = gone.runner_id, lease_token = gen_random_uuid(), scheduled_time = now() from gone`,
    )
    const rescuer = new Scheduler(place)
    rescuer.registerHandler('work', () => 'done')
    await rescuer.start()
    await until('it is done', async () => (await rescuer.getJob('orphan'))?.status === 'completed')
    expect((await rescuer.getAttempts('orphan')).map(each => each.outcome)).toEqual(['lost', 'completed'])
    await rescuer.stop()
  },

  'forgets what is past its retention': async place => {
    const { scheduler, clock } = await make(place)
    scheduler.registerHandler('work', () => 'done')
    await scheduler.scheduleJobs(Array.from({ length: 50 }, () => ({ job: 'work' })))
    await scheduler.runDueJobs()
    clock.advance('90d')
    expect(await scheduler.prune()).toMatchObject({ completed: 50 })
    expect((await scheduler.getStats()).counts.completed).toBe(0)
  },
}

async function make(place: Place, options: Partial<SchedulerOptions> = {}) {
  const clock = new TestClock()
  const scheduler = new Scheduler({ ...place, clock, random: () => 0.5, ...options })
  await scheduler.migrate()
  return { scheduler, clock }
}
