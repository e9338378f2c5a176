import { defineBatchJob, defineJob, Scheduler } from 'belfry'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { until } from '../../../test-support/until.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { OPTIONS, SPOILS } from './support/row-spoils.ts'

const batched = defineBatchJob({ type: 'batched', handler: jobs => jobs.map(each => each.payload) })

describeOnBothEngines('rows spoiled by hand', engine => {
  it('fail by themselves, or wait where everybody sees them, and their neighbours are done', async () => {
    const schema = engine.freshSchema()
    const make = () => {
      const scheduler = new Scheduler({ database: engine.database, schema, pollInterval: '200ms', jobs: [batched] })
      scheduler.registerHandler('loose', payload => payload)
      scheduler.registerHandler(
        defineJob({ type: 'strict', payload: z.object({ id: z.number() }), maxRetries: 0 }),
        ({ id }) => id,
      )
      scheduler.registerHandler(defineJob({ type: 'failing', backoff: { initial: 5, jitter: 0 } }), () => {
        throw new Error('no')
      })
      const limits = {
        rate: { limit: 500, per: '1m' },
        perKey: { concurrency: 2, budget: { amount: 1000, per: '1h' } },
      } as const
      scheduler.registerHandler(defineJob({ type: 'keyed', limits }), payload => payload)
      scheduler.registerHandler(
        defineJob({ type: 'fair', limits: { perKey: { ...limits.perKey, fair: true } } }),
        payload => payload,
      )
      scheduler.registerHandler(defineJob({ type: 'ordered', limits: { perKey: { fifo: true } } }), payload => payload)
      scheduler.registerHandler(
        defineJob({ type: 'windowed', window: { from: '00:00', to: '24:00' } }),
        payload => payload,
      )
      scheduler.registerHandler(
        defineJob({ type: 'checked', revalidate: () => Promise.resolve('run') }),
        payload => payload,
      )
      scheduler.registerHandler(defineJob({ type: 'durable' }), async (_payload, { step, sleep }) => {
        await step('a', () => 1)
        await sleep('nap', 0)
      })
      return scheduler
    }
    const scheduler = make()
    await scheduler.migrate()
    const explained: unknown[] = []
    for (const [story, { jobType = 'loose', set, sql, options }] of Object.entries(SPOILS)) {
      const payload = jobType === 'strict' ? { id: 1 } : {}
      await scheduler.scheduleJob(jobType, { ...OPTIONS[jobType], ...options, payload, jobId: story })
      const behind = jobType === 'failing' ? 'loose' : jobType
      await scheduler.scheduleJob(behind, { ...OPTIONS[behind], payload, jobId: `behind ${story}` })
      await scheduler.scheduleJob('strict', { payload: { id: 1 }, jobId: `beside ${story}` })
      for (const spoil of [set && `update SCHEMA.scheduled_jobs_live set ${set} where job_id = 'JOB'`, sql]) {
        if (spoil) await engine.database.query(spoil.replaceAll('SCHEMA', schema).replaceAll('JOB', story))
      }
      explained.push((await scheduler.admin.explain(story))?.jobId)
    }
    expect(explained).toEqual(Object.keys(SPOILS))
    expect((await scheduler.admin.forecast()).types.length).toBeGreaterThan(0)
    const errors: unknown[] = []
    scheduler.on('database:error', event => errors.push(event))
    await scheduler.start()
    const waiting = Object.values(SPOILS).filter(each => each.status === 'pending').length
    await until('all that can be done is done', async () => {
      const { counts } = await scheduler.getStats()
      return counts.running === 0 && counts.pending === waiting
    })
    for (const [story, { status, error }] of Object.entries(SPOILS)) {
      const job = await scheduler.getJob(story)
      expect(`${story}: ${job?.status}`).toBe(`${story}: ${status}`)
      expect(`${story}: ${job?.errorMessage}`).toMatch(error ?? /: null$/)
      expect(await scheduler.getJob(`behind ${story}`)).toMatchObject({ status: 'completed', attempt: 1 })
      expect(await scheduler.getJob(`beside ${story}`)).toMatchObject({ status: 'completed', attempt: 1, result: 1 })
    }
    expect(errors).toEqual([])
    expect(Object.prototype).not.toHaveProperty('spoiled')
    expect((await scheduler.getStats()).types.filter(each => !each.handled).map(each => each.jobType)).toEqual(
      expect.arrayContaining(['', 'unheard of']),
    )
    // And nothing is left that stops the next start.
    await scheduler.stop()
    const next = make()
    await next.start()
    await next.stop()
  })

  it('a window that was spoiled stops no change of zone, and is put right by it', async () => {
    const schema = engine.freshSchema()
    const windowed = defineJob({
      type: 'windowed',
      window: { from: '00:00', to: '24:00' },
      handler: payload => payload,
    })
    const scheduler = new Scheduler({ database: engine.database, schema, jobs: [windowed] })
    await scheduler.migrate()
    for (const jobId of ['spoiled', 'sound']) {
      await scheduler.scheduleJob(windowed, {}, { jobId, delay: '1s', subjects: ['user:ada'] })
    }
    await engine.database.query(`update ${schema}.scheduled_jobs_live
      set options = '{"delivery": {"window": 5, "timeZone": "Mars/Olympus"}}' where job_id = 'spoiled'`)
    expect(await scheduler.admin.setTimeZone('user:ada', 'Europe/Berlin', { actor: 'ada' })).toMatchObject({
      changed: 2,
    })
    const { rows } = await engine.database.query(
      `select options->'delivery' as kept from ${schema}.scheduled_jobs_live`,
    )
    expect(rows).toEqual([{ kept: { timeZone: 'Europe/Berlin' } }, { kept: { timeZone: 'Europe/Berlin' } }])
  })
})
