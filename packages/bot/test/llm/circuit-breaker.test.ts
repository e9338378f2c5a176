import { TestClock } from 'belfry/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CircuitBreaker } from '../../src/llm/circuit-breaker.ts'
import { LlmError, type Completion, type LlmClient } from '../../src/llm/llm-client.ts'
import { createOpenAiCompatibleClient } from '../../src/llm/openai-compatible.ts'
import { startFakeLlm, type FakeLlm, type Scene } from '../support/fake-llm.ts'

const FINE: Scene = { kind: 'answer', content: 'Slowly.' }

let llm: FakeLlm
let clock: TestClock
let client: LlmClient

beforeEach(async () => {
  llm = await startFakeLlm(FINE)
  clock = new TestClock()
  client = createOpenAiCompatibleClient({ baseUrl: llm.baseUrl, model: 'thinker', apiKey: undefined, clock })
})
afterEach(() => llm.close())

const complete = (signal?: AbortSignal) =>
  client.complete({ messages: [{ role: 'user', content: 'How?' }], maxTokens: 200, ...(signal && { signal }) })
const failureOf = (call: Promise<Completion>): Promise<unknown> =>
  call.then(
    () => 'an answer',
    (error: unknown) => (error instanceof LlmError ? error.failure : error),
  )

describe('an endpoint that keeps failing', () => {
  const fail = async () => {
    llm.play({ kind: 'status', status: 401 })
    for (let call = 0; call < 5; call += 1) expect(await failureOf(complete())).toBe('unauthorized')
    llm.play(FINE)
  }

  it('is left alone after five times in a row; five minutes later one call may try', async () => {
    await fail()
    expect(await failureOf(complete())).toBe('breaker_open')
    clock.advance(299_999)
    expect(await failureOf(complete())).toBe('breaker_open')
    expect(llm.seen).toHaveLength(5)
    clock.advance(1)
    expect(await Promise.all([complete(), failureOf(complete())])).toMatchObject([{ text: 'Slowly.' }, 'breaker_open'])
    expect((await complete()).text).toBe('Slowly.')
  })

  it('is left alone for another five minutes when the one call fails', async () => {
    await fail()
    clock.advance('5m')
    llm.play({ kind: 'status', status: 403 })
    expect(await failureOf(complete())).toBe('unauthorized')
    expect(await failureOf(complete())).toBe('breaker_open')
    clock.advance('5m')
    llm.play(FINE)
    expect((await complete()).text).toBe('Slowly.')
  })

  it('is asked on when it failed four times and then answered', async () => {
    for (let round = 0; round < 3; round += 1) {
      llm.play({ kind: 'status', status: 401 })
      for (let call = 0; call < 4; call += 1) expect(await failureOf(complete())).toBe('unauthorized')
      llm.play(FINE)
      await complete()
    }
  })

  it('is asked on when it was the prompts: what one person says must not silence it for all', async () => {
    llm.play({ kind: 'answer', content: '' })
    for (let call = 0; call < 8; call += 1) expect(await failureOf(complete())).toBe('empty_answer')
    llm.play(FINE)
    expect((await complete()).text).toBe('Slowly.')
  })

  it('lets another call try when the one call was given up', async () => {
    await fail()
    clock.advance('5m')
    expect(await failureOf(complete(AbortSignal.abort()))).toBe('aborted')
    expect((await complete()).text).toBe('Slowly.')
  })
})

describe('a circuit breaker', () => {
  it('opens for as long as it is told, after as many failures as it is told', () => {
    const breaker = new CircuitBreaker(clock, { failures: 2, openMs: 1_000 })
    expect([breaker.failed(), breaker.tryEnter(), breaker.failed(), breaker.tryEnter()]).toEqual([
      false,
      true,
      true,
      false,
    ])
    expect(breaker.waitMs).toBe(1_000)
    clock.advance(1_000)
    expect([breaker.waitMs, breaker.tryEnter(), breaker.tryEnter()]).toEqual([0, true, false])
    breaker.succeeded()
    expect([breaker.tryEnter(), breaker.tryEnter(), breaker.waitMs]).toEqual([true, true, 0])
  })

  it('is not opened longer by calls that were under way when it opened', () => {
    const breaker = new CircuitBreaker(clock, { failures: 1, openMs: 1_000 })
    breaker.failed()
    clock.advance(600)
    expect(breaker.failed()).toBe(false)
    expect(breaker.waitMs).toBe(400)
  })
})
