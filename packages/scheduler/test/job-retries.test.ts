import { defineJob, Scheduler, type SchedulerOptions } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { nextSettled } from './support/settled.ts'

describeOnBothEngines('retries of one job, in its own way', engine => {
  function begin(options: Partial<SchedulerOptions>) {
    const clock = new TestClock()
    const scheduler = new Scheduler({ database: engine.database, schema: engine.freshSchema(), clock, ...options })
    return { clock, scheduler }
  }

  it('backoff: one job may wait for its retries in its own way, also one that started at once', async () => {
    const job = defineJob({
      type: 'brittle',
      backoff: () => '7s',
      handler: () => {
        throw new Error('not yet')
      },
    })
    const { scheduler, clock } = begin({ jobs: [job], random: () => 0.5 })
    const pauseOf = async (jobId: string) =>
      ((await scheduler.getJob(jobId))?.scheduledTime.getTime() ?? 0) - clock.now().getTime()
    await scheduler.migrate()
    const backoff = { initial: '1m', factor: 3, max: '2m' } as const
    const typed = await scheduler.scheduleJob(job, {})
    const own = await scheduler.scheduleJob(job, {}, { backoff })
    const usual = await scheduler.scheduleJob(job, {}, { backoff: {} })
    await scheduler.runDueJobs()
    expect(await Promise.all([typed, own, usual].map(({ jobId }) => pauseOf(jobId)))).toEqual([7_000, 60_000, 300_000])
    clock.advance('1m')
    await scheduler.runDueJobs()
    expect(await pauseOf(own.jobId)).toBe(120_000)
    await scheduler.start()
    const settled = nextSettled(scheduler)
    const atOnce = await scheduler.scheduleJob(job, {}, { backoff })
    await settled
    expect(await pauseOf(atOnce.jobId)).toBe(60_000)
    await scheduler.stop()
  })

  it('maxLost: one job may be given up sooner, or later, than its type says', async () => {
    const schema = engine.freshSchema()
    const job = defineJob({ type: 'heavy', maxLost: 2, handler: () => {} })
    const { scheduler } = begin({ jobs: [job], schema })
    await scheduler.migrate()
    const lostBefore = { 'as its type': 1, once: 0, 'three times': 1, spoiled: 1, 'spoiled out of measure': 1 }
    const own = { once: { maxLost: 1 }, 'three times': { maxLost: 3 } }
    for (const jobId of Object.keys(lostBefore)) {
      await scheduler.scheduleJob(job, {}, { jobId, ...own[jobId as keyof typeof own] })
    }
    await engine.database.query(
      `update ${schema}.scheduled_jobs_live set status = 'running', attempt = 1, lease_token = gen_random_uuid(),
         runner_id = gen_random_uuid(), started_at = scheduled_time, lost_count = ($1::text::jsonb->>job_id)::int,
         options = coalesce($2::text::jsonb->job_id, options)`,
      [JSON.stringify(lostBefore), `{"spoiled": {"max_lost": "often"}, "spoiled out of measure": {"max_lost": 1e99}}`],
    )
    await scheduler.start()
    const statuses = async () =>
      Promise.all(Object.keys(lostBefore).map(async jobId => [jobId, (await scheduler.getJob(jobId))?.status]))
    await until('all have ended', async () =>
      (await statuses()).every(([, status]) => /completed|failed/.test(`${status}`)),
    )
    expect(Object.fromEntries(await statuses())).toEqual({
      'as its type': 'failed',
      once: 'failed',
      'three times': 'completed',
      spoiled: 'failed',
      'spoiled out of measure': 'failed',
    })
    await scheduler.stop()
  })

  it('a backoff that cannot be is refused at the door, and one that was spoiled fails its job alone', async () => {
    const schema = engine.freshSchema()
    const job = defineJob({
      type: 'brittle',
      backoff: { initial: '7s' },
      handler: () => {
        throw new Error('not yet')
      },
    })
    const { scheduler } = begin({ jobs: [job], schema })
    await scheduler.migrate()
    const refused = async (options: object, code: string, message: RegExp) => {
      const call = scheduler.scheduleJob(job, {}, options)
      await expect(call).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string })
    }
    await refused({ backoff: () => 5 }, 'BELFRY_INVALID_OPTION', /a function, which cannot be stored.*definition/)
    await refused({ backoff: '5s' }, 'BELFRY_INVALID_OPTION', /backoff: expected a rule such as .* got "5s"/)
    await refused({ backoff: { factor: 0.5 } }, 'BELFRY_INVALID_OPTION', /backoff\.factor: .* got 0\.5/)
    await refused({ backoff: { jitter: 2 } }, 'BELFRY_INVALID_OPTION', /backoff\.jitter: .* got 2/)
    await refused({ backoff: { initial: 'soon' } }, 'BELFRY_INVALID_DURATION', /backoff\.initial: .*soon/)
    await refused({ maxLost: 0 }, 'BELFRY_INVALID_OPTION', /maxLost: expected a whole number from 1 up, got 0/)
    expect((await scheduler.getStats()).counts.pending).toBe(0)

    const spoiled = ['{"factor": "x"}', '{"initial": "soon"}', '5', '[1]']
    for (const jobId of [...spoiled, 'null']) await scheduler.scheduleJob(job, {}, { jobId })
    const beside = await scheduler.scheduleJob(job, {})
    await engine.database.query(
      `update ${schema}.scheduled_jobs_live set options = jsonb_build_object('backoff', job_id::jsonb)
       where job_id = any($1::text[])`,
      [[...spoiled, 'null']],
    )
    await scheduler.runDueJobs()
    for (const jobId of spoiled) {
      expect(await scheduler.getJob(jobId)).toMatchObject({
        status: 'failed',
        errorMessage: expect.any(String) as string,
      })
    }
    expect(await scheduler.getJob('null')).toMatchObject({ status: 'pending', retryCount: 1 })
    expect(await scheduler.getJob(beside)).toMatchObject({ status: 'pending', retryCount: 1 })
  })
})
