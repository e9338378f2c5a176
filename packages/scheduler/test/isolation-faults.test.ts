import process from 'node:process'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { BelfryError, defineJob, isolated, RetryAfterError, Scheduler, SnoozeError } from 'belfry'
import type { IsolatedHandler, IsolatedOptions, JobContext } from 'belfry'
import { TestClock } from 'belfry/testing'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../../test-support/until.ts'
import { describeOnBothEngines } from './support/engines.ts'
import { jobContext } from './support/job-context.ts'
import { gate, nextSettled } from './support/settled.ts'

const work = new URL('support/isolated-faults.mjs', import.meta.url)
const open: IsolatedHandler<never>[] = []

/** What would have ended the process, were it not a test's. */
const uncaught: unknown[] = []
const noteUncaught = (error: unknown) => void uncaught.push(error)

/** A handler of the fixture's function; ended after the story. */
function handlerOf<Payload = unknown>(name: string, options: IsolatedOptions = {}) {
  const handler = isolated<Payload>(work, { export: name, ...options })
  open.push(handler)
  return handler
}

beforeAll(() => void process.on('uncaughtExceptionMonitor', noteUncaught))
afterEach(async () => {
  await Promise.all(open.splice(0).map(handler => handler.close()))
  expect(uncaught.splice(0)).toEqual([])
})
afterAll(() => void process.off('uncaughtExceptionMonitor', noteUncaught))

const thrownBy = async (ending: unknown): Promise<unknown> => {
  try {
    return `returned ${String(await ending)}`
  } catch (error) {
    return error
  }
}

describe('what a thread says', () => {
  it('and is no word of its job is ignored: any code in it can post messages', async () => {
    expect(await handlerOf('postsStrays')({}, jobContext())).toBe('done')
  })

  it('and cannot be used fails its job; the thread is ended, and the next job gets a new one', async () => {
    const refused = new BelfryError('BELFRY_INVALID_OPTION', 'spend: amount: expected a number from 0 up, got "much"')
    const context = jobContext({
      spend: () => {
        throw refused
      },
    })
    const handler = handlerOf<{ said: object }>('forges', { maxWorkers: 1 })
    const fails = (said: object) => thrownBy(handler({ said }, context))
    for (const said of [{ kind: 'threw' }, { kind: 'threw', thrown: 5 }, { kind: 'unusable', thrown: {} }]) {
      expect(await fails(said)).toMatchObject({
        code: 'BELFRY_WORKER_CRASHED',
        message: expect.stringContaining('sent what cannot be used'),
      })
    }
    expect(await fails({ kind: 'spend', amount: 'much' })).toMatchObject({
      code: 'BELFRY_WORKER_CRASHED',
      message: expect.stringContaining('amount: expected a number'),
      cause: refused,
    })
  })

  it('of waking at no instant that there is, is a plain error that fails its job', async () => {
    const handler = handlerOf<{ name: string; wake: unknown }>('throwsNamed', { maxWorkers: 1 })
    const spans = [Infinity, Number.NaN, -1, 101 * 365 * 86_400_000, '5']
    const instants = [new Date(Number.NaN), new Date('+058876-01-01'), new Date(-1), 'soon']
    const wakes = [...spans.map(delayMs => ({ delayMs })), ...instants.map(at => ({ at })), undefined, 5, {}]
    for (const name of ['SnoozeError', 'RetryAfterError']) {
      for (const wake of wakes) {
        const error = await thrownBy(handler({ name, wake }, jobContext()))
        expect(error).toMatchObject({ name, message: 'not now' })
        expect([SnoozeError, RetryAfterError].some(type => error instanceof type)).toBe(false)
      }
    }
    const error = await thrownBy(handler({ name: 'SnoozeError', wake: { delayMs: 5_000 } }, jobContext()))
    expect(error).toBeInstanceOf(SnoozeError)
  })
})

describe('an abort of an isolated handler', () => {
  it('may have any reason', async () => {
    const strange: unknown = Object.create(null)
    const { context, begun, abort } = abortable()
    const running = handlerOf('cleansUp', { grace: '1h' })({}, context)
    await begun
    abort(strange)
    expect(await running).toBe('cleaned up')
  })

  it("leaves a grace, and a thread its idle time, that are longer than Node's timers can be", async () => {
    const warnings: string[] = []
    const warn = ({ name }: Error) => void warnings.push(name)
    process.on('warning', warn)
    const { context, begun, abort } = abortable()
    const running = handlerOf('cleansUp', { grace: '30d', idleTimeout: '30d' })({}, context)
    await begun
    abort(new Error('stop'))
    expect(await running).toBe('cleaned up')
    await nextTurn()
    process.off('warning', warn)
    expect(warnings).not.toContain('TimeoutOverflowWarning')
  })

  function abortable(): { context: JobContext; begun: Promise<void>; abort: (reason: unknown) => void } {
    const controller = new AbortController()
    const begun = gate()
    const context = jobContext({ signal: controller.signal, log: () => begun.open() })
    return { context, begun: begun.promise, abort: reason => controller.abort(reason) }
  }
})

describeOnBothEngines('jobs with an isolated handler', engine => {
  it('may spend on after their timeout: the word comes late and ends nothing else', async () => {
    const handler = handlerOf('spendsLate', { grace: '1h' })
    const limits = { budget: { amount: 100, per: '1h' } } as const
    const spends = defineJob({ type: 'spends', timeout: '200ms', maxRetries: 0, limits, handler })
    const answers = defineJob({ type: 'answers', handler: handlerOf('answers') })
    const clock = new TestClock()
    const { database } = engine
    const scheduler = new Scheduler({ database, schema: engine.freshSchema(), jobs: [spends, answers], clock })
    await scheduler.start()
    const settled = nextSettled(scheduler)
    const { jobId } = await scheduler.scheduleJob(spends, {})
    await until('the thread has begun', async () => (await scheduler.getJob(jobId))?.progress === 'begun')
    clock.advance('200ms')
    expect(await settled).toMatchObject({ outcome: 'failed', error: { code: 'BELFRY_JOB_TIMEOUT' } })
    await handler.close()
    const next = await scheduler.scheduleJob(answers, {})
    expect(await scheduler.waitFor(next.jobId)).toMatchObject({ result: 'answered' })
    await scheduler.stop()
  })

  it('that was closed are put off unspent, for another process or the next start', async () => {
    const clock = new TestClock()
    const schema = engine.freshSchema()
    const schedulerWith = (handler: IsolatedHandler<unknown>) => {
      const jobs = [defineJob({ type: 'answers', maxRetries: 0, handler })]
      return new Scheduler({ database: engine.database, schema, jobs, clock })
    }
    const closed = handlerOf('answers')
    const stopping = schedulerWith(closed)
    await stopping.migrate()
    const { jobId } = await stopping.scheduleJob('answers', { payload: {} })
    await closed.close()
    await stopping.runDueJobs()
    expect(await stopping.getJob(jobId)).toMatchObject({ status: 'pending', retryCount: 0 })
    expect(await stopping.getAttempts(jobId)).toMatchObject([{ outcome: 'snoozed' }])
    await stopping.stop()
    clock.advance('1m')
    const next = schedulerWith(handlerOf('answers'))
    await next.runDueJobs()
    expect(await next.getJob(jobId)).toMatchObject({ status: 'completed', result: 'answered' })
    await next.stop()
  })
})
