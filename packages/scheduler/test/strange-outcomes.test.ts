import { CancelError, defineJob, RetryAfterError, Scheduler, SnoozeError, type SchedulerOptions } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import type { Schema } from '../src/job/standard-schema.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { gate, nextSettled } from './support/settled.ts'

/** What handlers throw that nobody would have thought of. */
const STRANGE: [string, () => unknown, string][] = [
  ['a message that is a number', () => Object.assign(new Error('HTTP'), { message: 404 }), '404'],
  ['a message that is an object', () => Object.assign(new Error('HTTP'), { message: { not: 'found' } }), 'not'],
  ['a stack that is a list', () => Object.assign(new Error('listed'), { stack: ['a', 'b'] }), 'listed'],
  ['a code with a NUL', () => Object.assign(new Error('coded'), { code: 'a\0b' }), 'coded'],
  ['a message that throws', () => thrower(), 'Error'],
  ['a proxy that refuses everything', () => refusing(), 'a thrown'],
  ['nothing at all', () => undefined, 'a thrown undefined'],
  ['a date that seconds were taken for', () => new RetryAfterError(new Date(Date.now() * 1_000)), '1970 and 3000'],
  ['a date before all dates', () => new SnoozeError(new Date(-8.64e15)), '1970 and 3000'],
]

function thrower(): Error {
  return Object.defineProperty(new Error('hidden'), 'message', {
    get() {
      throw new Error('not for you')
    },
  })
}

function refusing(): object {
  const refuse = () => {
    throw new Error('not for you')
  }
  return new Proxy({}, { get: refuse, getPrototypeOf: refuse, ownKeys: refuse })
}

describeOnBothEngines('outcomes that are hard to tell', engine => {
  const make = async (options: Partial<SchedulerOptions> = {}) => {
    const clock = new TestClock()
    const common = { database: engine.database, schema: engine.freshSchema(), clock, random: () => 0.5 }
    const scheduler = new Scheduler({ ...common, ...options })
    await scheduler.migrate()
    // Knows no schema, which it would ask at the door.
    const door = new Scheduler(common)
    return { clock, scheduler, door }
  }

  it.each(STRANGE)('%s fails one job, and its neighbours are settled', async (_what, thrown, message) => {
    const job = defineJob<{ how: 'bad' | 'good' | 'later' }>({
      type: 'strange',
      handler: ({ how }) => {
        if (how === 'bad') throw thrown()
        if (how === 'later') throw new SnoozeError('1h')
      },
    })
    const { scheduler } = await make({ jobs: [job] })
    const errors: unknown[] = []
    scheduler.on('database:error', event => errors.push(event))
    const payloads = [...(['good', 'bad', 'later', 'good', 'bad'] as const)].map(how => ({ how }))
    const [, bad, later, , last] = await scheduler.scheduleJobs(
      payloads.map((payload, index) => ({ job, payload, maxRetries: index === 4 ? 0 : 3 })),
    )
    await scheduler.runDueJobs()
    expect(errors).toEqual([])
    const [attempt] = await scheduler.getAttempts(bad?.jobId ?? '')
    expect(attempt).toMatchObject({ outcome: 'failed', errorMessage: expect.stringContaining(message) })
    expect(await scheduler.getJob(bad?.jobId ?? '')).toMatchObject({ status: 'pending', retryCount: 1 })
    expect(await scheduler.getJob(last?.jobId ?? '')).toMatchObject({ status: 'failed' })
    expect(await scheduler.getAttempts(later?.jobId ?? '')).toMatchObject([{ outcome: 'snoozed' }])
    expect((await scheduler.getStats()).counts).toMatchObject({ completed: 2, failed: 1, pending: 2, running: 0 })
  })

  it.each(STRANGE)('a check that throws %s fails one job, and its neighbours run', async (_what, thrown, message) => {
    const ran: string[] = []
    const job = defineJob<{ how: string }>({
      type: 'asked',
      revalidate: ({ how }) => (how === 'bad' ? Promise.reject(thrown()) : Promise.resolve('run')),
      handler: ({ how }) => void ran.push(how),
    })
    const { scheduler } = await make({ jobs: [job] })
    const [bad] = await scheduler.scheduleJobs(['bad', 'good'].map(how => ({ job, payload: { how }, maxRetries: 0 })))
    await scheduler.runDueJobs()
    expect(ran).toEqual(['good'])
    const ended = await scheduler.getJob(bad?.jobId ?? '')
    expect(ended).toMatchObject({ status: 'failed', errorMessage: expect.stringContaining(message) })
  })

  it('a middleware that refuses a job that follows has failed the attempt, and keeps nobody waiting', async () => {
    const { scheduler } = await make({
      middleware: {
        scheduling: [
          ({ jobs }, next) => {
            if (jobs.some(each => each.jobType === 'costly')) throw new Error('over quota')
            return next()
          },
        ],
      },
    })
    scheduler.registerHandler('plain', () => {})
    scheduler.registerHandler('spender', (_payload, { schedule }) => schedule('costly', {}))
    const [plain, spender, other] = await scheduler.scheduleJobs(
      ['plain', 'spender', 'plain'].map(job => ({ job, maxRetries: 0 })),
    )
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(spender?.jobId ?? '')).toMatchObject({ status: 'failed', errorMessage: 'over quota' })
    for (const each of [plain, other]) {
      expect(await scheduler.getJob(each?.jobId ?? '')).toMatchObject({ status: 'completed' })
    }
  })

  it('a pause that no number can tell is none', async () => {
    const { scheduler, clock } = await make()
    scheduler.registerHandler('often', () => Promise.reject(new Error('no')))
    const backoff = { initial: 0, factor: 1e200 }
    const { jobId } = await scheduler.scheduleJob('often', { maxRetries: 5, backoff })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'failed', attempt: 6, completedAt: clock.now() })
  })

  it.each([
    ['a snooze of nothing', () => new SnoozeError(0)],
    ['a snooze until long ago', () => new SnoozeError(new Date(0))],
    ['a retry after an instant that has passed', () => new RetryAfterError(new Date('2020-01-01'))],
  ])('%s takes a moment all the same', async (_what, thrown) => {
    const { scheduler, clock } = await make()
    let runs = 0
    scheduler.registerHandler('eager', () => {
      runs += 1
      throw thrown()
    })
    const { jobId } = await scheduler.scheduleJob('eager', {})
    await scheduler.runDueJobs()
    expect(runs).toBe(1)
    expect((await scheduler.getJob(jobId))?.scheduledTime).toEqual(new Date(clock.now().getTime() + 100))
  })

  it('a handler does not begin when its time was up, or it was cancelled, while its payload was read', async () => {
    const reading = gate()
    const ran: unknown[] = []
    const slow: Schema = {
      '~standard': { version: 1, vendor: 'slow', validate: value => reading.promise.then(() => ({ value })) },
    }
    const job = defineJob({ type: 'slow', payload: slow, timeout: '5s', handler: payload => void ran.push(payload) })
    const { scheduler, clock, door } = await make({ jobs: [job] })
    for (const jobId of ['late', 'cancelled']) await door.scheduleJob('slow', { jobId, maxRetries: 0 })
    await scheduler.start()
    try {
      await until('both run', async () => (await scheduler.getStats()).counts.running === 2)
      expect(await scheduler.cancelJob('cancelled')).toBe('requested')
      const settled = ['late', 'cancelled'].map(jobId => nextSettled(scheduler, event => event.jobId === jobId))
      clock.advance('6s')
      expect(await Promise.all(settled)).toMatchObject([{ outcome: 'failed' }, { outcome: 'cancelled' }])
    } finally {
      reading.open()
      await scheduler.stop()
    }
    expect(ran).toEqual([])
  })

  it('a schema that never answers holds a claim for as long as a check may take', async () => {
    const asked = gate()
    const validate = () => {
      asked.open()
      return new Promise<never>(() => {})
    }
    const mute: Schema = { '~standard': { version: 1, vendor: 'mute', validate } }
    const job = defineJob({ type: 'mute', payload: mute, revalidate: async () => 'run', handler: () => {} })
    const { scheduler, clock, door } = await make({ jobs: [job] })
    await door.scheduleJob('mute', { jobId: 'mute', maxRetries: 0 })
    const done = scheduler.runDueJobs()
    await asked.promise
    clock.advance('6s')
    await done
    expect(await scheduler.getAttempts('mute')).toMatchObject([{ outcome: 'failed', errorCode: 'BELFRY_JOB_TIMEOUT' }])
  })

  it('a handler in a transaction cannot end it by a statement', async () => {
    const tried = ['commit', ' ROLLBACK', 'end work', 'abort', 'rollback to savepoint a', 'savepoint b']
    const refused: string[] = []
    const job = defineJob({
      type: 'exact',
      transactional: true,
      handler: async (_payload, { tx }) => {
        await tx.query('savepoint a')
        for (const text of tried) {
          await tx.query(text).catch((error: { code: string }) => refused.push(`${text}: ${error.code}`))
        }
        throw new CancelError('done')
      },
    })
    const { scheduler } = await make({ jobs: [job] })
    await scheduler.scheduleJob(job, {})
    await scheduler.runDueJobs()
    expect(refused).toEqual(tried.slice(0, 4).map(text => `${text}: BELFRY_INVALID_OPTION`))
  })
})
