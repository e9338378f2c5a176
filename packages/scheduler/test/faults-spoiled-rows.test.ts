import { defineJob, Scheduler } from 'belfry'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { until } from '../../../test-support/until.ts'
import { describeOnBothEngines } from './support/engines.ts'

/** A column of a stored job, set by hand, and what becomes of the job. */
interface Spoil {
  readonly jobType?: 'loose' | 'strict' | 'failing'
  readonly set: string
  readonly status: 'completed' | 'failed' | 'pending'
  readonly error?: RegExp
}

const DEEP = `(repeat('[', 1000) || repeat(']', 1000))::jsonb`
const NO_FIT = /does not fit/

const SPOILS: Readonly<Record<string, Spoil>> = {
  'a payload that is null': { set: `payload = 'null'`, status: 'completed' },
  'null where a shape is wanted': { jobType: 'strict', set: `payload = 'null'`, status: 'failed', error: NO_FIT },
  'an array where a shape is wanted': { jobType: 'strict', set: `payload = '[1]'`, status: 'failed', error: NO_FIT },
  'text where a number is wanted': {
    jobType: 'strict',
    set: `payload = '{"id": "one"}'`,
    status: 'failed',
    error: NO_FIT,
  },
  'keys of prototypes': {
    jobType: 'strict',
    set: `payload = '{"__proto__": {"id": 1}, "constructor": {"prototype": {"spoiled": true}}}'`,
    status: 'failed',
    error: NO_FIT,
  },
  'a payload a thousand levels deep': { set: `payload = ${DEEP}`, status: 'completed', error: /not stored.*nesting/ },
  'a thousand levels where a shape is wanted': {
    jobType: 'strict',
    set: `payload = ${DEEP}`,
    status: 'failed',
    error: NO_FIT,
  },
  'a payload of five megabytes': {
    set: `payload = to_jsonb(repeat('x', 5000000))`,
    status: 'completed',
    error: /not stored.*at most/,
  },
  'a number no computer knows': { set: `payload = '1e400'`, status: 'completed', error: /not stored.*Infinity/ },
  'a version from before the first': { set: 'payload_version = 0', status: 'failed', error: /no upcaster from 0/ },
  'an attempt below zero': { set: 'attempt = -3', status: 'completed' },
  'retries below zero': { jobType: 'failing', set: 'retry_count = -2', status: 'failed', error: /: no$/ },
  'more retries than allowed': {
    jobType: 'failing',
    set: 'retry_count = 2147483647',
    status: 'failed',
    error: /: no$/,
  },
  'fewer than no retries allowed': { jobType: 'failing', set: 'max_retries = -1', status: 'failed', error: /: no$/ },
  'crashes below zero': { set: 'lost_count = -7', status: 'completed' },
  'a time limit below zero': { set: 'timeout_ms = -1', status: 'completed' },
  'a time limit of three hundred million years': { set: 'timeout_ms = 9223372036854775807', status: 'completed' },
  'a time that never comes': { set: `scheduled_time = 'infinity'`, status: 'pending' },
  'a time before history': { set: `scheduled_time = '4000-01-01 BC'`, status: 'completed' },
  'no beginning': { set: `created_at = '-infinity'`, status: 'completed' },
  'a type nobody has heard of': { set: `job_type = 'unheard of'`, status: 'pending' },
  'no type': { set: `job_type = ''`, status: 'pending' },
  'running, held by nobody': { set: `status = 'running'`, status: 'completed' },
  'held under a lease of no runner': {
    set: `status = 'running', lease_token = gen_random_uuid(), runner_id = gen_random_uuid()`,
    status: 'completed',
  },
  'pending, and held all the same': { set: `lease_token = gen_random_uuid(), runner_id = null`, status: 'completed' },
  'an occurrence of no schedule': { set: `schedule_id = 'none', occurrence = 'infinity'`, status: 'completed' },
}

describeOnBothEngines('rows spoiled by hand', engine => {
  it('fail by themselves, or wait where everybody sees them, and their neighbours are done', async () => {
    const schema = engine.freshSchema()
    const make = () => {
      const scheduler = new Scheduler({ database: engine.database, schema, pollInterval: '200ms' })
      scheduler.registerHandler('loose', payload => payload)
      scheduler.registerHandler(
        defineJob({ type: 'strict', payload: z.object({ id: z.number() }), maxRetries: 0 }),
        ({ id }) => id,
      )
      scheduler.registerHandler(defineJob({ type: 'failing', backoff: { initial: 5, jitter: 0 } }), () => {
        throw new Error('no')
      })
      return scheduler
    }
    const scheduler = make()
    await scheduler.migrate()
    for (const [story, { jobType = 'loose', set }] of Object.entries(SPOILS)) {
      const payload = jobType === 'strict' ? { id: 1 } : {}
      await scheduler.scheduleJob(jobType, { payload, jobId: story })
      await scheduler.scheduleJob('strict', { payload: { id: 1 }, jobId: `beside ${story}` })
      await engine.database.query(`update ${schema}.scheduled_jobs_live set ${set} where job_id = $1::text`, [story])
    }
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
})
