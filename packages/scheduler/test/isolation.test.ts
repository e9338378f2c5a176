import type { PGlite } from '@electric-sql/pglite'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { startProgram } from '../../../test-support/child-process.ts'
import { until } from '../../../test-support/until.ts'
import { fromPglite, type Database } from '../src/database/index.ts'
import {
  BelfryError,
  CancelError,
  defineJob,
  NonRetryableError,
  RetryAfterError,
  Scheduler,
  SnoozeError,
  type JobContext,
} from '../src/index.ts'
import { isolated, type IsolatedHandler, type IsolatedOptions } from '../src/isolation/isolated.ts'
import { TestClock } from '../src/testing/index.ts'
import { jobContext } from './support/job-context.ts'
import { gate, nextSettled } from './support/settled.ts'
import { createPglite } from '../../../test-support/embedded-database.ts'

const work = new URL('support/isolated-work.mjs', import.meta.url)
const open: IsolatedHandler<never>[] = []
const folder = mkdtempSync(join(tmpdir(), 'belfry-isolated-'))

/** A handler of the fixture's function; ended after the story. */
function handlerOf<Payload = unknown>(name?: string, options: IsolatedOptions = {}) {
  const handler = isolated<Payload>(work, { ...(name && { export: name }), ...options })
  open.push(handler)
  return handler
}

afterEach(async () => {
  await Promise.all(open.splice(0).map(handler => handler.close()))
})
afterAll(() => rmSync(folder, { recursive: true }))

function contextWith(parts: Partial<JobContext> = {}): JobContext {
  const scheduledTime = new Date('2027-01-01T12:00:00Z')
  return jobContext({ jobType: 'resize', attempt: 2, retryCount: 1, scheduledTime, ...parts })
}

const thrownBy = async (ending: unknown): Promise<Error> => {
  try {
    return new Error(`returned ${String(await ending)}`)
  } catch (error) {
    return error as Error
  }
}

describe('an isolated handler', () => {
  it('runs in another thread and answers with the result', async () => {
    expect(await handlerOf<object>()({ a: 2, b: 3 }, contextWith())).toBe(5)
    expect(await handlerOf('whereAmI')({}, contextWith())).not.toBe(0)
  })

  it('is told the facts of its job, and nothing it could not be sent', async () => {
    const occurrence = new Date('2027-01-01T11:00:00Z')
    const told = await handlerOf('facts')({ id: 7 }, contextWith({ occurrence }))
    const { jobId, jobType, attempt, retryCount, maxRetries, scheduledTime } = contextWith()
    expect(told).toEqual({
      payload: { id: 7 },
      rest: { jobId, jobType, attempt, retryCount, maxRetries, scheduledTime, occurrence },
      aborted: false,
      real: true,
    })
  })

  it('logs and reports progress through its own context, in order, and learns when progress is refused', async () => {
    const heard: unknown[] = []
    const context = contextWith({
      log: line => void heard.push(line),
      progress: value => {
        heard.push(value)
        const lost = new BelfryError('BELFRY_LEASE_LOST', 'held by another runner by now')
        return heard.length < 4 ? Promise.resolve() : Promise.reject(lost)
      },
    })
    expect(await handlerOf('chatty')({ lines: 2 }, context)).toEqual({
      refused: 'held by another runner by now',
      name: 'BelfryError',
      code: 'BELFRY_LEASE_LOST',
    })
    expect(heard).toEqual(['line 1', 'line 2', { done: 50 }, { done: 100 }])
  })

  it('brings errors that steer a job back as what they were, though the worker has its own copy of their classes', async () => {
    const handler = handlerOf<{ what: string }>('throwing', { maxWorkers: 1 })
    const thrown = (what: string) => thrownBy(handler({ what }, contextWith()))
    const rejected = await thrown('subclass')
    expect(rejected).toBeInstanceOf(NonRetryableError)
    expect(rejected).toMatchObject({ message: 'no such address', status: 422, cause: { name: 'TypeError' } })
    expect(rejected.stack).toContain('isolated-work.mjs')
    expect(await thrown('cancel')).toBeInstanceOf(CancelError)
    const snooze = await thrown('snooze')
    expect(snooze).toBeInstanceOf(SnoozeError)
    expect(snooze).toMatchObject({ message: 'too early', wake: { delayMs: 90_000 } })
    const later = await thrown('retry after')
    expect(later).toBeInstanceOf(RetryAfterError)
    expect(later).toMatchObject({ wake: { at: new Date('2027-01-02T00:00:00Z') } })
    const coded = await thrown('coded')
    expect(coded).toBeInstanceOf(BelfryError)
    expect(coded).toMatchObject({ code: 'BELFRY_INVALID_PAYLOAD', message: 'no good' })
  })

  it('brings any other error back with name, message, stack and plain fields, and survives hostile ones', async () => {
    const handler = handlerOf<{ what: string }>('throwing', { maxWorkers: 1 })
    const thrown = (what: string) => thrownBy(handler({ what }, contextWith()))
    const own = await thrown('own')
    expect(own).toMatchObject({ name: 'RangeError', message: 'out of range', code: 'E_OWN', status: 503 })
    expect(own).not.toHaveProperty('big')
    expect(own.stack).toContain('isolated-work.mjs')
    expect(await thrown('value')).toEqual({ just: 'data' })
    expect(await thrown('function')).toMatch(/cannot be described/)
    expect(await thrown('hostile')).toMatch(/cannot be described/)
    expect((await thrownBy(handlerOf('returnsFunction')({}, contextWith()))).name).toBe('DataCloneError')
    expect(await thrownBy(handlerOf()(() => {}, contextWith()))).toMatchObject({ code: 'BELFRY_INVALID_PAYLOAD' })
  })

  it('says clearly what is wrong with its module', async () => {
    const lost = isolated(new URL('support/no-such-file.mjs', import.meta.url))
    open.push(lost)
    const message = await thrownBy(lost({}, contextWith()))
    expect(message).toMatchObject({ code: 'BELFRY_WORKER_MODULE' })
    expect(message.message).toMatch(/no-such-file\.mjs.*got a module that cannot be loaded \(Cannot find/)
    expect(await thrownBy(handlerOf('notAFunction')({}, contextWith()))).toMatchObject({
      message: expect.stringMatching(/expected an exported function "notAFunction", got number$/),
    })
    expect(await thrownBy(handlerOf('toString')({}, contextWith()))).toMatchObject({ code: 'BELFRY_WORKER_MODULE' })
    for (const bad of ['./resize.js', new URL('https://example.com/x.js'), undefined]) {
      expect(() => isolated(bad as URL)).toThrow(/expected a file's URL/)
    }
    expect(() => isolated(work, { maxWorkers: 0 })).toThrow(/maxWorkers: expected a whole number from 1 up/)
    expect(() => isolated(work, { export: '' })).toThrow(/export: expected a function's name/)
  })
})

describe('a worker thread that ends badly', () => {
  it('fails its job with a code, and the next job gets a new thread', async () => {
    const exits = handlerOf('exits', { maxWorkers: 1 })
    for (let again = 0; again < 2; again += 1) {
      expect(await thrownBy(exits({}, contextWith()))).toMatchObject({
        code: 'BELFRY_WORKER_CRASHED',
        message: expect.stringContaining('process.exit(3)'),
      })
    }
    expect(await thrownBy(handlerOf('throwsOutside')({}, contextWith()))).toMatchObject({
      code: 'BELFRY_WORKER_CRASHED',
      message: expect.stringContaining('nobody catches this'),
    })
  })

  it('is told apart when it ran out of memory', async () => {
    const handler = handlerOf('hoards', { memoryLimitMb: 24 })
    const error = await thrownBy(handler({}, contextWith()))
    expect(error).toMatchObject({ code: 'BELFRY_WORKER_OUT_OF_MEMORY' })
    expect(error.message).toContain('memoryLimitMb: 24')
  })
})

describe('an abort', () => {
  it('reaches the signal in the worker with its reason; a job that obeys keeps its thread', async () => {
    const handler = handlerOf('obedient', { maxWorkers: 1, grace: '1h' })
    const controller = new AbortController()
    const waiting = gate()
    const ending = thrownBy(handler({}, contextWith({ signal: controller.signal, log: () => waiting.open() })))
    await waiting.promise
    controller.abort(new BelfryError('BELFRY_JOB_CANCELLED', 'cancelled while running'))
    const error = await ending
    expect(error).toBeInstanceOf(BelfryError)
    expect(error).toMatchObject({ code: 'BELFRY_JOB_CANCELLED', message: 'cancelled while running' })
  })

  it('leaves a result that was on its way a result', async () => {
    const controller = new AbortController()
    const context = contextWith({ signal: controller.signal, log: () => controller.abort(new Error('stop')) })
    expect(await handlerOf('finishesAnyway', { grace: '1h' })({}, context)).toBe('finished all the same')
  })

  it('ends a busy loop by force after the grace time, and the job with the reason of its abort', async () => {
    const clock = new TestClock()
    const handler = handlerOf<{ marker: string }>('busyLoop', { maxWorkers: 1, grace: '5s', clock })
    const controller = new AbortController()
    const marker = join(folder, 'forced')
    const ending = thrownBy(handler({ marker }, contextWith({ signal: controller.signal })))
    await until('the loop has begun', () => Promise.resolve(existsSync(marker)))
    const reason = new BelfryError('BELFRY_JOB_TIMEOUT', 'the attempt ran longer than its timeout of 1 ms')
    controller.abort(reason)
    clock.advance('4999ms')
    clock.advance('1ms')
    expect(await ending).toBe(reason)
  })

  it('before the start starts nothing, and while waiting for a thread gives up waiting', async () => {
    const handler = handlerOf('finishesAnyway', { maxWorkers: 1, grace: '1h' })
    const reason = new Error('stopping')
    expect(await thrownBy(handler({}, contextWith({ signal: AbortSignal.abort(reason) })))).toBe(reason)
    const first = new AbortController()
    const begun = gate()
    const running = handler({}, contextWith({ signal: first.signal, log: () => begun.open() }))
    await begun.promise
    const second = new AbortController()
    const queued = thrownBy(handler({}, contextWith({ signal: second.signal })))
    second.abort(reason)
    expect(await queued).toBe(reason)
    first.abort()
    expect(await running).toBe('finished all the same')
  })
})

describe('worker threads', () => {
  it('are used again, are never more than the bound, and hand their jobs on in order', async () => {
    const handler = handlerOf('whereAmI', { maxWorkers: 2 })
    const threads = await Promise.all(Array.from({ length: 12 }, () => handler({}, contextWith())))
    expect(new Set(threads).size).toBeLessThanOrEqual(2)
  })

  it('are ended when they had no work for a while', async () => {
    const clock = new TestClock()
    const handler = handlerOf('whereAmI', { maxWorkers: 1, idleTimeout: '30s', clock })
    const first = await handler({}, contextWith())
    clock.advance('29s')
    expect(await handler({}, contextWith())).toBe(first)
    clock.advance('30s')
    expect(await handler({}, contextWith())).not.toBe(first)
  })

  it('keep the process only while they work: one that has nothing else to do ends by itself', async () => {
    const program = startProgram('packages/scheduler/test/support/isolated-process.mjs', { cwd: folder })
    expect(await program.exited).toEqual({ code: 0, signal: null })
    expect(program.stdout()).toBe('42\n')
  })

  it('ignore what an earlier job of theirs still says', async () => {
    const lines: string[] = []
    const handler = handlerOf('mixesUpLogs', { maxWorkers: 1 })
    await handler({}, contextWith())
    await handler({}, contextWith({ log: line => void lines.push(line) }))
    expect(lines).toEqual(['a line of this job'])
  })

  it('are all gone after close, which lets running jobs finish and takes no new one', async () => {
    const handler = handlerOf('finishesAnyway', { maxWorkers: 1, grace: '1h' })
    const controller = new AbortController()
    const begun = gate()
    const running = handler({}, contextWith({ signal: controller.signal, log: () => begun.open() }))
    const queued = thrownBy(handler({}, contextWith()))
    await begun.promise
    const closing = handler.close()
    expect(await queued).toMatchObject({ code: 'BELFRY_SHUTDOWN' })
    controller.abort()
    expect(await running).toBe('finished all the same')
    await closing
    expect(await thrownBy(handler({}, contextWith()))).toMatchObject({ code: 'BELFRY_SHUTDOWN' })
  })
})

describe('in a scheduler', () => {
  let pglite: PGlite
  let database: Database
  beforeAll(async () => {
    pglite = await createPglite()
    database = fromPglite(pglite)
  })
  afterAll(() => pglite.close())

  it('a busy loop is ended by its timeout, while the event loop of the process stays free', async () => {
    const marker = join(folder, 'timed-out')
    const handler = handlerOf<{ marker: string }>('busyLoop', { maxWorkers: 1, grace: 0 })
    const loop = defineJob({ type: 'loop', timeout: '300ms', maxRetries: 0, handler })
    const clock = new TestClock()
    const scheduler = new Scheduler({ database, schema: 'loop', jobs: [loop], clock })
    await scheduler.start()
    const settled = nextSettled(scheduler)
    const { jobId } = await scheduler.scheduleJob(loop, { marker })
    // Were the loop in this thread, neither this look nor the timeout would ever get their turn.
    await until('the loop has begun', () => Promise.resolve(existsSync(marker)))
    clock.advance('300ms')
    expect(await settled).toMatchObject({ outcome: 'failed', willRetry: false, error: { code: 'BELFRY_JOB_TIMEOUT' } })
    expect(await scheduler.getJob(jobId)).toMatchObject({ status: 'failed' })
    await scheduler.stop()
    await handler.close()
  })

  it('a job completes with its result, its log lines and its progress', async () => {
    const chatty = defineJob({ type: 'chatty', handler: handlerOf<{ lines: number }>('chatty') })
    const scheduler = new Scheduler({ database, jobs: [chatty] })
    await scheduler.migrate()
    const { jobId } = await scheduler.scheduleJob(chatty, { lines: 2 })
    await scheduler.runDueJobs()
    expect(await scheduler.getJob(jobId)).toMatchObject({ result: 'stored', progress: { done: 100 } })
    expect(await scheduler.getAttempts(jobId)).toMatchObject([{ log: ['line 1', 'line 2'] }])
  })
})
