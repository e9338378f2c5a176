import { silentLogger } from 'belfry'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LlmError, type Completion, type LlmClient, type LlmFailure } from '../../src/llm/llm-client.ts'
import { withDailyBudget } from '../../src/llm/guarded-client.ts'
import { createTestApp, type TestApp } from '../support/test-app.ts'

const ANSWER: Completion = { text: 'Slowly.', finishReason: 'stop', promptTokens: 20, completionTokens: 30 }
/** 30 characters: 10 tokens; with 90 for the answer, a call can cost 100. */
const REQUEST = { messages: [{ role: 'user' as const, content: 'a'.repeat(30) }], maxTokens: 90 }

describe.each(['PGlite', 'PostgreSQL'] as const)('tokens of a day (%s)', engine => {
  let test: TestApp
  let asked: number
  beforeAll(async () => {
    test = await createTestApp(engine)
  })
  afterAll(() => test.close())
  beforeEach(async () => {
    await test.database.query('delete from llm_usage')
    test.clock.moveTo('2027-03-01T12:00:00Z')
    asked = 0
  })

  const client = (budget: number | undefined, answer: () => Promise<Completion> = () => Promise.resolve(ANSWER)) => {
    const model: LlmClient = {
      label: 'a model',
      complete: () => {
        asked += 1
        return answer()
      },
    }
    const { database, clock } = test
    return withDailyBudget(model, { database, budget, clock, logger: silentLogger })
  }
  const failureOf = (call: Promise<unknown>) =>
    call.then(
      () => 'an answer',
      (error: unknown) => (error instanceof LlmError ? error.failure : error),
    )
  const used = () =>
    test.rows(
      'select day::text, requests, prompt_tokens::int as prompt, completion_tokens::int as completion from llm_usage order by day',
    )

  it('are counted as the endpoint reports them', async () => {
    await client(undefined).complete(REQUEST)
    await client(undefined).complete(REQUEST)
    expect(await used()).toEqual([{ day: '2027-03-01', requests: 2, prompt: 40, completion: 60 }])
  })

  it('are not spent beyond the budget, and are there again the next day (UTC)', async () => {
    const model = client(160)
    expect(await failureOf(model.complete(REQUEST))).toBe('an answer')
    // 50 were used; 100 more may be asked for.
    expect(await failureOf(model.complete(REQUEST))).toBe('an answer')
    expect(await failureOf(model.complete(REQUEST))).toBe('budget_spent')
    expect(asked).toBe(2)
    test.clock.advance('12h')
    expect(await failureOf(model.complete(REQUEST))).toBe('an answer')
    expect(await used()).toMatchObject([
      { day: '2027-03-01', requests: 2 },
      { day: '2027-03-02', requests: 1 },
    ])
  })

  it('smaller than one call: nothing is asked, from the first call on', async () => {
    expect(await failureOf(client(99).complete(REQUEST))).toBe('budget_spent')
    expect(await used()).toEqual([])
  })

  it('are reserved before the call: many at once do not overdraw together', async () => {
    let answered = 0
    let letGo = () => {}
    const gate = new Promise<void>(resolve => (letGo = resolve))
    const model = client(500, async () => {
      await gate
      return ANSWER
    })
    const calls = Array.from({ length: 12 }, () => failureOf(model.complete(REQUEST)).finally(() => (answered += 1)))
    // Seven are refused while the five are still under way.
    while (answered < 7) await new Promise(resolve => setImmediate(resolve))
    letGo()
    const outcomes = await Promise.all(calls)
    expect(outcomes.filter(outcome => outcome === 'an answer')).toHaveLength(5)
  })

  it.each<[LlmFailure, object[]]>([
    ['unreachable', [{ requests: 1, prompt: 0, completion: 0 }]],
    ['unauthorized', [{ requests: 1, prompt: 0, completion: 0 }]],
    ['rate_limited', [{ requests: 1, prompt: 0, completion: 0 }]],
    ['timeout', [{ requests: 1, prompt: 10, completion: 90 }]],
    ['empty_answer', [{ requests: 1, prompt: 10, completion: 90 }]],
    ['server_error', [{ requests: 1, prompt: 10, completion: 90 }]],
  ])('of a call that failed with %s: %j', async (failure, rows) => {
    const model = client(1_000, () => Promise.reject(new LlmError(failure, 'no')))
    expect(await failureOf(model.complete(REQUEST))).toBe(failure)
    expect(await used()).toMatchObject(rows)
  })

  it('that cannot be counted are not spent when there is a budget, and do not matter when there is none', async () => {
    await test.database.query('alter table llm_usage rename to llm_usage_away')
    expect(await failureOf(client(1_000).complete(REQUEST))).toBe('budget_spent')
    expect(await failureOf(client(undefined).complete(REQUEST))).toBe('an answer')
    await test.database.query('alter table llm_usage_away rename to llm_usage')
  })
})
