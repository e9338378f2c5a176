import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LlmError, type Completion, type LlmClient } from '../../src/llm/llm-client.ts'
import { createOpenAiCompatibleClient, LONGEST_CALL_MS } from '../../src/llm/openai-compatible.ts'
import { startFakeLlm, type FakeLlm, type Scene } from '../support/fake-llm.ts'
import { WatchedClock } from '../support/watched-clock.ts'

const KEY = 'sk-secret-of-ada-0123456789'
const MESSAGES = [{ role: 'user' as const, content: 'How do I practise?' }]
const FINE: Scene = { kind: 'answer', content: 'Slowly.' }
const BUSY: Scene = { kind: 'status', status: 500 }

let llm: FakeLlm
let clock: WatchedClock
let client: LlmClient

beforeEach(async () => {
  llm = await startFakeLlm(FINE)
  clock = new WatchedClock()
  client = createOpenAiCompatibleClient({ baseUrl: llm.baseUrl, model: 'thinker', apiKey: KEY, clock, random: () => 0 })
})
afterEach(async () => {
  await llm.close()
  expect(llm.refused).toEqual([])
})

const complete = (signal?: AbortSignal) =>
  client.complete({ messages: MESSAGES, maxTokens: 200, ...(signal && { signal }) })

/** The failure of a call, after making sure that neither the error nor what hangs on it tells the key. */
async function failureOf(call: Promise<Completion>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(LlmError)
  expect(inspect(error, { depth: 10 })).not.toContain('secret')
  return (error as LlmError).failure
}

describe('an endpoint that answers', () => {
  it('is asked as the protocol wants it, and its answer is passed on', async () => {
    expect(await complete()).toEqual({ text: 'Slowly.', finishReason: 'stop', promptTokens: 11, completionTokens: 7 })
    expect(llm.seen).toHaveLength(1)
    expect(llm.seen[0]?.body).toEqual({ model: 'thinker', messages: MESSAGES, max_tokens: 200 })
    expect(llm.seen[0]?.headers.authorization).toBe(`Bearer ${KEY}`)
  })

  it('is sent no key when there is none', async () => {
    client = createOpenAiCompatibleClient({ baseUrl: `${llm.baseUrl}//`, model: 'thinker', apiKey: undefined, clock })
    await complete()
    expect(llm.seen[0]?.headers).not.toHaveProperty('authorization')
  })

  it('is named without its key', () => {
    expect(client.label).toBe(`thinker at ${new URL(llm.baseUrl).host}`)
  })

  it('leaves no timer behind', async () => {
    await complete()
    let fired = false
    clock.setTimer(3_600_000, () => (fired = true))
    clock.advance('1h')
    expect(fired).toBe(true)
    expect(clock.waits).toEqual([30_000, 3_600_000])
  })

  it.each([
    ['<think>They want to practise.</think>Slowly.', 'Slowly.'],
    ['<THINK>a</THINK> Slowly. <think>b</think>', 'Slowly.'],
    ['<thinking>a</thinking>\n\nSlowly.', 'Slowly.'],
    ['They want to practise.\n</think>\n\nSlowly.', 'Slowly.'],
    ['Slowly. <think>and then', 'Slowly.'],
    ['Slow\0ly.', 'Slowly.'],
  ])('thinks aloud, %j, and only %j is passed on', async (content, text) => {
    llm.play({ kind: 'answer', content })
    expect((await complete()).text).toBe(text)
  })

  it('halves of characters do not come through', async () => {
    llm.play({ kind: 'body', body: '{"choices":[{"message":{"content":"Slowly \\ud83d"},"finish_reason":"stop"}]}' })
    expect((await complete()).text.isWellFormed()).toBe(true)
  })

  it('was cut off by its limit: the last whole sentence stays', async () => {
    llm.play({ kind: 'answer', content: 'Slowly. Then fas', finishReason: 'length' })
    expect(await complete()).toMatchObject({ text: 'Slowly.', finishReason: 'length' })
  })

  it('tells no usage and an unknown reason: use is estimated at three characters a token', async () => {
    llm.play({ kind: 'body', body: '{"choices":[{"message":{"content":"Slowly."}}]}' })
    expect(await complete()).toEqual({ text: 'Slowly.', finishReason: 'other', promptTokens: 6, completionTokens: 3 })
  })

  it('ignores its limit: no more than a long chat message is taken', async () => {
    llm.play({ kind: 'answer', content: 'Slowly does it. '.repeat(400) })
    const { text, finishReason } = await complete()
    expect(finishReason).toBe('length')
    expect(text.length).toBeLessThanOrEqual(4_000)
    expect(text).toMatch(/does it\.$/)
  })

  it.each(['text/html', 'text/plain', 'application/octet-stream'])('calls its JSON %s', async contentType => {
    llm.play({ kind: 'body', body: '{"choices":[{"message":{"content":"Slowly."}}]}', contentType })
    expect((await complete()).text).toBe('Slowly.')
  })

  it('is sent a temperature only if one is set, and never again once it has refused it', async () => {
    client = createOpenAiCompatibleClient({ baseUrl: llm.baseUrl, model: 'm', apiKey: KEY, clock, temperature: 0.3 })
    const body = '{"error":{"code":"unsupported_value","message":"\'temperature\' does not support 0.3"}}'
    llm.play({ kind: 'status', status: 400, body }, FINE)
    expect((await complete()).text).toBe('Slowly.')
    await complete()
    expect(llm.seen.map(seen => seen.body.temperature)).toEqual([0.3, undefined, undefined])
  })

  it('refuses everything it can: each parameter is left out once, then it is an error', async () => {
    client = createOpenAiCompatibleClient({ baseUrl: llm.baseUrl, model: 'm', apiKey: KEY, clock, temperature: 0.3 })
    llm.play({ kind: 'status', status: 400, body: 'max_completion_tokens temperature stream' })
    expect(await failureOf(complete())).toBe('bad_request')
    expect(llm.seen).toHaveLength(3)
  })

  it('wants the limit under its newer name: that is learned for good', async () => {
    const body = '{"error":{"code":"unsupported_parameter","message":"Use \'max_completion_tokens\' instead."}}'
    llm.play({ kind: 'status', status: 400, body }, FINE)
    expect((await complete()).text).toBe('Slowly.')
    await complete()
    const limits = llm.seen.map(seen => [seen.body.max_tokens, seen.body.max_completion_tokens])
    expect(limits).toEqual([
      [200, undefined],
      [undefined, 200],
      [undefined, 200],
    ])
  })
})

describe('an endpoint that answers nothing usable', () => {
  it.each<[string, Scene, string]>([
    ['an empty text', { kind: 'answer', content: '' }, 'empty_answer'],
    ['white space', { kind: 'answer', content: ' \n' }, 'empty_answer'],
    ['no text at all', { kind: 'answer', content: null }, 'empty_answer'],
    ['reasoning only', { kind: 'answer', content: '', reasoning: 'They want to practise.' }, 'empty_answer'],
    ['thinking that never ends', { kind: 'answer', content: '<think>They want' }, 'empty_answer'],
    ['a page of HTML', { kind: 'body', body: '<html>Bad Gateway</html>', contentType: 'text/html' }, 'bad_answer'],
    ['nothing', { kind: 'body', body: '' }, 'bad_answer'],
    ['half of JSON', { kind: 'body', body: '{"choices":[' }, 'bad_answer'],
    ['null', { kind: 'body', body: 'null' }, 'bad_answer'],
    ['no choices', { kind: 'body', body: '{"choices":[]}' }, 'bad_answer'],
    ['text that is none', { kind: 'body', body: '{"choices":[{"message":{"content":42}}]}' }, 'bad_answer'],
    ['an error under status 200', { kind: 'body', body: '{"error":{"message":"overloaded"}}' }, 'bad_answer'],
    ['our own headers', { kind: 'echo', status: 200 }, 'bad_answer'],
    ['401', { kind: 'status', status: 401 }, 'unauthorized'],
    ['403', { kind: 'status', status: 403 }, 'unauthorized'],
    ['our own headers under 401', { kind: 'echo', status: 401 }, 'unauthorized'],
    ['400', { kind: 'status', status: 400 }, 'bad_request'],
    ['404', { kind: 'status', status: 404, body: 'model not found' }, 'bad_request'],
    ['a redirect', { kind: 'status', status: 307, headers: { location: 'http://elsewhere.test/' } }, 'bad_answer'],
    ['429 for an age', { kind: 'status', status: 429, headers: { 'retry-after': '9'.repeat(30) } }, 'rate_limited'],
    ['503 for an hour', { kind: 'status', status: 503, headers: { 'retry-after': '3600' } }, 'server_error'],
    ['429 for an hour', { kind: 'status', status: 429, headers: { 'retry-after': '3600' } }, 'rate_limited'],
  ])('%s: fails at once, without a second try', async (_what, scene, failure) => {
    llm.play(scene)
    expect(await failureOf(complete())).toBe(failure)
    expect(llm.seen).toHaveLength(1)
  })

  it('floods: reading stops soon after a megabyte', async () => {
    llm.play({ kind: 'flood', bytes: 10_000_000 })
    expect(await failureOf(complete())).toBe('bad_answer')
    expect(llm.seen).toHaveLength(1)
    // What lies in buffers between the two is beyond us.
    expect(llm.flooded).toBeLessThan(10_000_000)
  })
})

describe('an endpoint in trouble', () => {
  it.each<[string, Scene, number]>([
    ['500', BUSY, 1_000],
    ['503', { kind: 'status', status: 503, body: '<html>Service Unavailable</html>' }, 1_000],
    ['503 for two seconds', { kind: 'status', status: 503, headers: { 'retry-after': '2' } }, 2_000],
    ['408', { kind: 'status', status: 408 }, 1_000],
    ['429', { kind: 'status', status: 429 }, 1_000],
    ['429 with a word', { kind: 'status', status: 429, headers: { 'retry-after': 'soon' } }, 1_000],
    ['429 for seven seconds', { kind: 'status', status: 429, headers: { 'retry-after': '7' } }, 7_000],
    [
      '429 until a date',
      { kind: 'status', status: 429, headers: { 'retry-after': 'Fri, 01 Jan 2027 12:00:05 GMT' } },
      5_000,
    ],
    ['a closed connection', { kind: 'reset' }, 1_000],
    ['an answer cut off in the middle', { kind: 'cut' }, 1_000],
  ])('%s, then fine: is asked again after its pause, not before', async (_what, scene, pauseMs) => {
    llm.play(scene, FINE)
    const call = complete()
    await clock.waitsFor(pauseMs)
    clock.advance(pauseMs - 1)
    expect(llm.seen).toHaveLength(1)
    clock.advance(1)
    expect((await call).text).toBe('Slowly.')
    expect(llm.seen).toHaveLength(2)
  })

  it.each<[Scene, string]>([
    [BUSY, 'server_error'],
    [{ kind: 'reset' }, 'unreachable'],
    [{ kind: 'status', status: 429, headers: { 'retry-after': '1' } }, 'rate_limited'],
  ])('for good, %j: fails after the second try', async (scene, failure) => {
    llm.play(scene)
    const call = failureOf(complete())
    await clock.waitsFor(1_000)
    clock.advance('1s')
    expect(await call).toBe(failure)
    expect(llm.seen).toHaveLength(2)
  })

  it('that is not there is unreachable', async () => {
    await llm.close()
    const call = failureOf(complete())
    await clock.waitsFor(1_000)
    clock.advance('1s')
    expect(await call).toBe('unreachable')
  })
})

describe('an endpoint that hangs', () => {
  it.each<[string, Scene]>([
    ['before a word', { kind: 'hang' }],
    ['after the head', { kind: 'hang', afterHead: true }],
    ['in the middle', { kind: 'hang', part: '{"choices":[{"message":{"con' }],
    ['and drips for ever', { kind: 'drip', drop: ' ' }],
  ])('%s: is given up after the time-out, twice, within 55 seconds', async (_story, scene) => {
    llm.play(scene)
    let ended = false
    const call = failureOf(complete()).finally(() => (ended = true))
    await llm.arrived(1)
    clock.advance(29_999)
    expect(ended).toBe(false)
    clock.advance(1)
    await clock.waitsFor(0)
    clock.advance(0)
    await llm.arrived(2)
    clock.advance('25s')
    expect(await call).toBe('timeout')
    expect(llm.seen).toHaveLength(2)
    expect(clock.monotonic()).toBe(LONGEST_CALL_MS)
  })

  it('has as long as the settings say', async () => {
    client = createOpenAiCompatibleClient({ baseUrl: llm.baseUrl, model: 'm', apiKey: KEY, clock, timeoutMs: 50_000 })
    llm.play({ kind: 'hang' })
    const call = failureOf(complete())
    await llm.arrived(1)
    clock.advance('50s')
    await clock.waitsFor(0)
    clock.advance(0)
    await llm.arrived(2)
    clock.advance('5s')
    expect(await call).toBe('timeout')
  })

  it('is not tried again when there is no time left', async () => {
    llm.play({ kind: 'hang' })
    const call = failureOf(client.complete({ messages: MESSAGES, maxTokens: 200, withinMs: 5_000 }))
    await llm.arrived(1)
    clock.advance('5s')
    expect(await call).toBe('timeout')
    expect(llm.seen).toHaveLength(1)
  })

  it('is left when the caller leaves', async () => {
    llm.play({ kind: 'hang' })
    const leave = new AbortController()
    const call = failureOf(complete(leave.signal))
    await llm.arrived(1)
    leave.abort()
    expect(await call).toBe('aborted')
    expect(llm.seen).toHaveLength(1)
  })

  it('is not asked again by a caller that left during the pause', async () => {
    llm.play(BUSY)
    const leave = new AbortController()
    const call = failureOf(complete(leave.signal))
    await clock.waitsFor(1_000)
    leave.abort()
    expect(await call).toBe('aborted')
    expect(llm.seen).toHaveLength(1)
  })

  it('is not asked at all by a caller that has left', async () => {
    expect(await failureOf(complete(AbortSignal.abort()))).toBe('aborted')
    expect(llm.seen).toHaveLength(0)
  })
})
