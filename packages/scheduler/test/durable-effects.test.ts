import { BelfryError, Scheduler, type EffectAttempt, type SchedulerOptions } from 'belfry'
import { TestClock } from 'belfry/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { effectKey } from '../src/durable/effect-key.ts'
import { describeOnBothEngines } from './support/engines.ts'

describe('the key of an effect', () => {
  it('is the same for the same job and step, fits a nonce, and is plain', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (job, step) => {
        expect(effectKey(job, step)).toBe(effectKey(job, step))
        expect(effectKey(job, step)).toMatch(/^[\w-]{25}$/)
      }),
    )
  })

  it('differs for any other job or step, however alike they read', () => {
    const pair = fc.tuple(fc.string({ maxLength: 4 }), fc.string({ maxLength: 4 }))
    fc.assert(
      fc.property(pair, pair, (one, other) => {
        fc.pre(one[0] !== other[0] || one[1] !== other[1])
        expect(effectKey(...one)).not.toBe(effectKey(...other))
      }),
      { numRuns: 2_000 },
    )
    expect(effectKey('a', 'bc')).not.toBe(effectKey('ab', 'c'))
    expect(effectKey('a","b', 'c')).not.toBe(effectKey('a', 'b","c'))
  })
})

describeOnBothEngines('effects', engine => {
  const make = async (options: Partial<SchedulerOptions> = {}) => {
    const clock = new TestClock()
    const schema = engine.freshSchema()
    const scheduler = new Scheduler({ database: engine.database, schema, clock, random: () => 0.5, ...options })
    await scheduler.migrate()
    const runOut = async (jobId: string) => {
      for (;;) {
        await scheduler.runDueJobs()
        const job = await scheduler.getJob(jobId)
        if (job?.status !== 'pending') return job
        clock.advance('1h')
      }
    }
    return { clock, schema, scheduler, runOut }
  }

  it('what was sent is not sent again when the attempt fails after it', async () => {
    const { scheduler, runOut } = await make()
    const sent: EffectAttempt[] = []
    scheduler.registerHandler('mail', async (_payload, { once, attempt }) => {
      const { id } = await once('welcome', effect => {
        sent.push(effect)
        return Promise.resolve({ id: 'message 1' })
      })
      if (attempt < 3) throw new Error('the next thing failed')
      return id
    })
    const { jobId } = await scheduler.scheduleJob('mail', { payload: {} })
    expect(await runOut(jobId)).toMatchObject({ status: 'completed', result: 'message 1', attempt: 3 })
    expect(sent).toEqual([{ key: effectKey(jobId, 'welcome'), doubtful: false }])
  })

  it('an attempt that was taken for dead while it sent goes on with what the one after it was answered', async () => {
    const { scheduler, schema } = await make()
    scheduler.registerHandler('mail', (_payload, { once }) =>
      once('welcome', async () => {
        await engine.database.query(`update ${schema}.belfry_steps set done = true, result = '"message 2"'`)
        return 'message 1'
      }),
    )
    const { jobId } = await scheduler.scheduleJob('mail', { payload: {} })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'completed', result: 'message 2' })
  })

  it('what was begun and never confirmed is doubtful, with the same key, until it is', async () => {
    const { scheduler, runOut } = await make()
    const tries: EffectAttempt[] = []
    scheduler.registerHandler('mail', (_payload, { once, attempt }) =>
      once('welcome', effect => {
        tries.push(effect)
        if (attempt < 3) throw new Error('no answer')
        return 'found it'
      }),
    )
    const { jobId } = await scheduler.scheduleJob('mail', { payload: {} })
    expect(await runOut(jobId)).toMatchObject({ status: 'completed', result: 'found it' })
    expect(tries.map(each => each.doubtful)).toEqual([false, true, true])
    expect(new Set(tries.map(each => each.key)).size).toBe(1)
  })

  it('the ledger by hand: confirmed in one attempt, known in the next, the first word counting', async () => {
    const { scheduler, runOut } = await make()
    const seen: unknown[] = []
    scheduler.registerHandler('mail', async (_payload, context) => {
      const key = context.effectKey()
      expect(key).toBe(effectKey(context.jobId, 'effect'))
      seen.push(await context.confirmedEffect(key))
      await context.confirmEffect(key, { id: context.attempt })
      await context.confirmEffect(context.effectKey('silent'))
      seen.push(await context.confirmedEffect(context.effectKey('silent')))
      if (context.attempt === 1) throw new Error('once more')
    })
    await runOut((await scheduler.scheduleJob('mail', { payload: {} })).jobId)
    expect(seen).toEqual([undefined, { result: undefined }, { result: { id: 1 } }, { result: undefined }])
  })

  it('an effect that happened after the lease was lost is known to the attempt that has the job', async () => {
    const { schema, scheduler, clock, runOut } = await make()
    const tries: boolean[] = []
    const heard: unknown[] = []
    scheduler.registerHandler('mail', (_payload, { once, jobId, heartbeat, attempt }) =>
      once('welcome', async ({ doubtful }) => {
        tries.push(doubtful)
        if (attempt > 1) return 'a second time'
        // Taken away while it sends.
        await engine.database.query(`update ${schema}.scheduled_jobs_live set status = 'pending', lease_token = null,
          runner_id = null where job_id = '${jobId}'`)
        await heartbeat().catch((error: unknown) => heard.push(error instanceof BelfryError && error.code))
        return 'sent'
      }),
    )
    const { jobId } = await scheduler.scheduleJob('mail', { payload: {} })
    clock.advance('1m')
    expect(await runOut(jobId)).toMatchObject({ status: 'completed', result: 'sent' })
    expect(tries).toEqual([false])
    expect(heard).toEqual(['BELFRY_LEASE_LOST'])
  })

  it('whatever fails between, an effect happens once in every story, or is doubtful when it might happen twice', async () => {
    const { scheduler, runOut } = await make()
    type Fault = 'none' | 'before' | 'in send' | 'after send' | 'later'
    const faults = fc.array(fc.constantFrom<Fault>('none', 'before', 'in send', 'after send', 'later'), {
      maxLength: 3,
    })
    const plans = new Map<string, Fault[]>()
    const happened = new Map<string, number>()
    const unwarned: string[] = []
    scheduler.registerHandler('story', async (_payload, { once, jobId, attempt }) => {
      const fault = plans.get(jobId)?.[attempt - 1] ?? 'none'
      const failAt = (where: Fault) => {
        if (fault === where) throw new Error(where)
      }
      failAt('before')
      await once('effect', ({ doubtful, key }) => {
        failAt('in send')
        const times = happened.get(key) ?? 0
        if (times > 0 && !doubtful) unwarned.push(jobId)
        // Whoever is warned looks first.
        if (times === 0) happened.set(key, times + 1)
        failAt('after send')
        return 'ok'
      })
      failAt('later')
    })
    let runs = 0
    await fc.assert(
      fc.asyncProperty(faults, async plan => {
        const { jobId } = await scheduler.scheduleJob('story', { payload: {}, delay: '1m', jobId: `story ${runs++}` })
        plans.set(jobId, plan)
        expect(await runOut(jobId)).toMatchObject({ status: 'completed' })
        expect(happened.get(effectKey(jobId, 'effect'))).toBe(1)
      }),
      { numRuns: 25 },
    )
    expect(unwarned).toEqual([])
  })
})
