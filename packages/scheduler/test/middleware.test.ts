import fc from 'fast-check'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { NonRetryableError } from '../src/index.ts'
import {
  compose,
  type ExecutionCall,
  type ExecutionMiddleware,
  type Middleware,
  type SchedulingMiddleware,
  type StoredJob,
} from '../src/job/middleware.ts'
import { jobContext } from './support/job-context.ts'

type Plain = Middleware<string[], string>

const tracing =
  (name: string): Plain =>
  async (trace, next) => {
    trace.push(`${name} in`)
    const answer = await next()
    trace.push(`${name} out`)
    return `${name}(${answer})`
  }

describe('a chain of middleware', () => {
  it('runs from the first to the last and back, and hands the answer outwards', async () => {
    const trace: string[] = []
    const chain = compose([tracing('a'), tracing('b')])
    const answer = await chain(trace, () => {
      trace.push('work')
      return Promise.resolve('done')
    })
    expect(answer).toBe('a(b(done))')
    expect(trace).toEqual(['a in', 'b in', 'work', 'b out', 'a out'])
  })

  it('keeps that order at any length', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string()), async names => {
        const trace: string[] = []
        await compose(names.map(tracing))(trace, () => Promise.resolve(''))
        expect(trace).toEqual([...names.map(each => `${each} in`), ...names.toReversed().map(each => `${each} out`)])
      }),
    )
  })

  it('with none is the work itself', () => {
    const work = Promise.resolve('done')
    expect(compose<string[], string>([])([], () => work)).toBe(work)
  })

  it('may answer without the work, or with another answer, or turn an error into one', async () => {
    let worked = 0
    const work = () => {
      worked += 1
      return Promise.reject<string>(new Error('broken'))
    }
    expect(await compose<string[], string>([() => Promise.resolve('cached')])([], work)).toBe('cached')
    expect(worked).toBe(0)
    expect(await compose<string[], string>([(_trace, next) => next().catch(() => 'mended')])([], work)).toBe('mended')
    expect(worked).toBe(1)
  })

  it('lets errors through as they are, thrown at once or later', async () => {
    const given = new NonRetryableError('no')
    const chain = compose([tracing('a'), tracing('b')])
    await expect(chain([], () => Promise.reject(given))).rejects.toBe(given)
    await expect(
      chain([], () => {
        throw given
      }),
    ).rejects.toBe(given)
    const throwing: Plain = () => {
      throw given
    }
    await expect(compose([tracing('a'), throwing])([], () => Promise.resolve('done'))).rejects.toBe(given)
  })

  it('refuses a second next, together or one after the other, and does the work once', async () => {
    let worked = 0
    const work = () => {
      worked += 1
      return Promise.resolve('done')
    }
    async function twice(_trace: string[], next: () => Promise<string>): Promise<string> {
      await next()
      return next()
    }
    const together: Plain = async (_trace, next) => (await Promise.all([next(), next()])).join()
    await expect(compose<string[], string>([twice])([], work)).rejects.toMatchObject({
      code: 'BELFRY_NEXT_CALLED_AGAIN',
      message: expect.stringContaining('middleware "twice"'),
    })
    await expect(compose([together])([], work)).rejects.toMatchObject({ code: 'BELFRY_NEXT_CALLED_AGAIN' })
    expect(worked).toBe(2)
  })

  it('refuses a next after the end of its middleware: nobody would wait for that work', async () => {
    let kept: (() => Promise<string>) | undefined
    const forgetful: Plain = (_trace, next) => {
      kept = next
      return Promise.resolve('early')
    }
    let worked = false
    expect(
      await compose([forgetful])([], () => {
        worked = true
        return Promise.resolve('')
      }),
    ).toBe('early')
    await expect(kept?.()).rejects.toMatchObject({ code: 'BELFRY_NEXT_CALLED_AGAIN' })
    expect(worked).toBe(false)
  })

  it('serves any number of calls at a time', async () => {
    const chain = compose([tracing('a')])
    const answers = await Promise.all(['1', '2', '3'].map(each => chain([], () => Promise.resolve(each))))
    expect(answers).toEqual(['a(1)', 'a(2)', 'a(3)'])
  })

  it('names an entry that is no function', () => {
    const list = [tracing('a'), undefined] as unknown as Plain[]
    expect(() => compose(list)).toThrow(/middleware\[1\]: expected a function \(call, next\) => …, got undefined/)
  })
})

describe('middleware around scheduling and execution', () => {
  it('hands metadata from one to the other', async () => {
    const stamp: SchedulingMiddleware = ({ jobs }, next) => {
      for (const job of jobs) job.metadata['tenant'] = 'acme'
      return next()
    }
    const metadata: Record<string, string> = {}
    const jobs = [{ jobId: '1', jobType: 'mail', payload: {}, scheduledTime: null, delayMs: 0, metadata }]
    const stored = [{ jobId: '1', conflict: false }]
    expect(await compose([stamp])({ jobs }, () => Promise.resolve(stored))).toBe(stored)

    const read: ExecutionMiddleware = async ({ job }, next) => `${job.metadata['tenant']}: ${String(await next())}`
    const facts = {
      jobId: '1',
      jobType: 'mail',
      attempt: 1,
      retryCount: 0,
      maxRetries: 3,
      scheduledTime: new Date(0),
      occurrence: null,
    }
    const context = jobContext(facts)
    const call: ExecutionCall = { job: { ...facts, metadata }, payload: {}, context }
    expect(await compose([read])(call, () => Promise.resolve('sent'))).toBe('acme: sent')
  })

  it('is strictly typed', () => {
    expectTypeOf<Parameters<SchedulingMiddleware>[1]>().returns.resolves.toEqualTypeOf<readonly StoredJob[]>()
    expectTypeOf<ReturnType<ExecutionMiddleware>>().resolves.toBeUnknown()
    // @ts-expect-error a middleware answers with a promise
    const wrong: ExecutionMiddleware = () => 'now'
    // @ts-expect-error a chain has one kind of call
    const mixed = () => compose<ExecutionCall, unknown>([tracing('a')])
    expect([typeof wrong, typeof mixed]).toEqual(['function', 'function'])
  })
})
