import fc from 'fast-check'
import { TestClock } from 'belfry/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventData } from '../../src/llm/event-stream.ts'
import { LlmError, type LlmClient } from '../../src/llm/llm-client.ts'
import { createOpenAiCompatibleClient } from '../../src/llm/openai-compatible.ts'
import { readAnswer } from '../../src/llm/read-answer.ts'
import { ReasoningFilter } from '../../src/llm/reasoning-filter.ts'
import { startFakeLlm, type FakeLlm, type Scene } from '../support/fake-llm.ts'

const MESSAGES = [{ role: 'user' as const, content: 'How do I practise?' }]

let llm: FakeLlm
let clock: TestClock
let client: LlmClient
let drafts: string[]

beforeEach(async () => {
  llm = await startFakeLlm()
  clock = new TestClock()
  drafts = []
  client = createOpenAiCompatibleClient({ baseUrl: llm.baseUrl, model: 'thinker', apiKey: undefined, clock })
})
afterEach(async () => {
  await llm.close()
  expect(llm.refused).toEqual([])
})

const complete = (more: { signal?: AbortSignal; withinMs?: number } = {}) =>
  client.complete({ messages: MESSAGES, maxTokens: 200, onDraft: draft => drafts.push(draft), ...more })
const failureOf = (call: Promise<unknown>) =>
  call.then(
    () => 'an answer',
    (error: unknown) => (error instanceof LlmError ? error.failure : error),
  )
/** Resolves when the draft has become so. */
const drafted = async (text: string) => {
  while (drafts.at(-1) !== text) await new Promise(resolve => setImmediate(resolve))
}
const stream = (pieces: readonly string[], more: Partial<Extract<Scene, { kind: 'stream' }>> = {}): Scene => ({
  kind: 'stream',
  pieces,
  ...more,
})

describe('a streamed answer', () => {
  it('grows before the reader’s eyes, and is whole in the end', async () => {
    llm.play(stream(['Slow', 'ly. ', 'Then faster.']))
    expect(await complete()).toEqual({
      text: 'Slowly. Then faster.',
      finishReason: 'stop',
      promptTokens: 11,
      completionTokens: 7,
    })
    expect(drafts).toEqual(['Slow', 'Slowly.', 'Slowly. Then faster.'])
    expect(llm.seen[0]?.body).toMatchObject({ stream: true })
  })

  it('without a usage is counted by its characters', async () => {
    llm.play(stream(['Slowly.'], { usage: false }))
    expect(await complete()).toMatchObject({ promptTokens: 6, completionTokens: 3 })
  })

  it.each([
    ['no last word', { end: 'close' }],
    ['another content type', { contentType: 'text/plain' }],
  ] as const)('with %s is whole all the same', async (_story, more) => {
    llm.play(stream(['Slowly. Then', ' fast'], more))
    expect(await complete()).toMatchObject({ text: 'Slowly. Then fast', finishReason: 'stop' })
  })

  it('of an endpoint that does not stream comes at once', async () => {
    llm.play({ kind: 'answer', content: 'Slowly.' })
    expect((await complete()).text).toBe('Slowly.')
  })

  it('of an endpoint that refuses to stream is asked for without', async () => {
    llm.play(
      { kind: 'status', status: 400, body: '{"error":"stream is not supported"}' },
      { kind: 'answer', content: 'Slowly.' },
    )
    expect((await complete()).text).toBe('Slowly.')
    expect(llm.seen.map(seen => seen.body.stream)).toEqual([true, undefined])
  })

  it('shows no thinking, wherever it is split', async () => {
    llm.play(stream(['<th', 'ink>They', ' want</thi', 'nk>', 'Slow', 'ly.']))
    expect((await complete()).text).toBe('Slowly.')
    expect(drafts).toEqual(['Slow', 'Slowly.'])
  })

  it('whose thinking was never opened is learned: from then on it is held back', async () => {
    llm.play(stream(['They want', '</think>', 'Slowly.']))
    expect((await complete()).text).toBe('Slowly.')
    drafts = []
    expect((await complete()).text).toBe('Slowly.')
    expect(drafts).toEqual(['Slowly.'])
  })

  it('of thinking alone is none', async () => {
    llm.play(stream(['<think>They want', ' to practise']))
    expect(await failureOf(complete())).toBe('empty_answer')
    expect(drafts).toEqual([])
  })

  it('that never ends is left when it is long enough', async () => {
    const babble = `data: {"choices":[{"delta":{"content":"${'Slowly does it. '.repeat(20)}"}}]}\n\n`
    llm.play({ kind: 'drip', drop: babble, contentType: 'text/event-stream' })
    const { text, finishReason } = await complete()
    expect(finishReason).toBe('length')
    expect(text.length).toBeLessThanOrEqual(4_000)
  })
})

describe('a stream that breaks', () => {
  it.each<[string, Scene]>([
    ['cut off', stream(['Slowly. Then f'], { end: 'cut' })],
    ['ends without a reason or a last word', stream(['Slowly. Then f'], { end: 'close', finishReason: null })],
    ['ends with an error', stream(['Slowly. Then f'], { end: 'error' })],
    [
      'turns into garbage',
      {
        kind: 'body',
        contentType: 'text/event-stream',
        body: 'data: {"choices":[{"delta":{"content":"Slowly. Then f"}}]}\n\ndata: <html>\n\n',
      },
    ],
    ['was cut by its limit', stream(['Slowly. Then f'], { finishReason: 'length' })],
  ])('%s: the whole sentences stay', async (_story, scene) => {
    llm.play(scene)
    expect((await complete()).text).toBe('Slowly.')
  })

  it.each<[string, Scene, string]>([
    ['ends with an error', stream(['Slow'], { end: 'error' }), 'bad_answer'],
    [
      'begins with an error',
      { kind: 'body', contentType: 'text/event-stream', body: 'data: {"error":{}}\n\n' },
      'bad_answer',
    ],
    [
      'is nothing but comments',
      { kind: 'body', contentType: 'text/event-stream', body: ': hello\n\n' },
      'empty_answer',
    ],
    ['floods', { kind: 'flood', bytes: 5_000_000 }, 'bad_answer'],
  ])('before a whole sentence, %s: is no answer', async (_story, scene, failure) => {
    llm.play(scene)
    expect(await failureOf(complete())).toBe(failure)
  })

  it('falls silent: 30 seconds after the last word the whole sentences are the answer', async () => {
    llm.play(stream(['Slowly. ', 'Then'], { end: 'hang' }))
    const call = complete()
    await drafted('Slowly. Then')
    clock.advance('30s')
    expect(await call).toMatchObject({ text: 'Slowly.', finishReason: 'cut' })
  })

  it('only says that it is still there: that is silence', async () => {
    llm.play({ kind: 'drip', drop: ': still here\n\n', contentType: 'text/event-stream' })
    const call = failureOf(complete({ withinMs: 30_500 }))
    await llm.arrived(1)
    clock.advance('30s')
    expect(await call).toBe('timeout')
  })

  it('dribbles on: after 55 seconds in all, what there is is the answer', async () => {
    const gates: (() => void)[] = []
    const next = () => new Promise<void>(resolve => gates.push(resolve))
    llm.play(stream(['Slowly. ', 'Then ', 'a ', 'bit'], { next }))
    const call = complete()
    await drafted('Slowly.')
    clock.advance('29s')
    gates.shift()?.()
    await drafted('Slowly. Then')
    clock.advance('26s')
    expect(await call).toMatchObject({ text: 'Slowly.', finishReason: 'cut' })
  })

  it('because the bot stops: the whole sentences stay', async () => {
    const leave = new AbortController()
    llm.play(stream(['Slowly. ', 'Then'], { end: 'hang' }))
    const call = complete({ signal: leave.signal })
    await drafted('Slowly. Then')
    leave.abort()
    expect((await call).text).toBe('Slowly.')
  })
})

describe('signs of life', () => {
  it('are words, also thought ones; empty pieces are silence', async () => {
    const pieces = ['', '<think>hm</think>', '', 'Slowly.', '']
    const chunks = pieces.map(content => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`)
    const response = new Response(`${chunks.join('')}data: [DONE]\n\n`, {
      headers: { 'content-type': 'text/event-stream' },
    })
    let signs = 0
    const request = { messages: MESSAGES, maxTokens: 200 }
    await readAnswer(response, { request, thinksFirst: false, onProgress: () => (signs += 1) })
    expect(signs).toBe(2)
  })
})

describe('events of a stream', () => {
  async function read(bytes: Uint8Array, cuts: readonly number[]): Promise<string[]> {
    const ends = [...new Set(cuts.map(cut => cut % (bytes.length + 1)))].toSorted((a, b) => a - b)
    async function* pieces(): AsyncGenerator<Uint8Array> {
      let from = 0
      for (const end of [...ends, bytes.length]) {
        await Promise.resolve()
        yield bytes.subarray(from, end)
        from = end
      }
    }
    const found: string[] = []
    for await (const data of eventData(pieces())) found.push(data)
    return found
  }

  it('are the same wherever the bytes are split, whatever ends the lines', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'ä', '🎻', ' ', ':', '日', '{', '"') })
    const line = fc.constantFrom('\n', '\r\n', '\r')
    await fc.assert(
      fc.asyncProperty(fc.array(text, { maxLength: 6 }), line, fc.array(fc.nat()), async (events, end, cuts) => {
        const sent = events.map(data => `: a comment${end}id: 7${end}data: ${data}${end}${end}`).join('')
        expect(await read(Buffer.from(sent), cuts)).toEqual(events)
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    ['data:x\n\n', ['x']],
    ['data: x\ndata: y\n\n', ['x\ny']],
    ['data: x', ['x']],
    ['data\n\n', ['']],
    ['event: x\n\n', []],
    ['database: x\n\n', []],
    ['\uFEFFdata: x\n\n', ['x']],
    ['\n\n\n', []],
  ])('%j are %j', async (sent, events) => {
    expect(await read(Buffer.from(sent), [])).toEqual(events)
  })
})

describe('thinking aloud', () => {
  it('is taken out the same way however the text is split', () => {
    const shard = fc.constantFrom('<think>', '</think>', '<thinking>', '</THINKING>', '<', 'th', 'a', ' ', '>', '/')
    fc.assert(
      fc.property(fc.array(shard, { maxLength: 12 }), fc.array(fc.nat(20)), (shards, cuts) => {
        const text = shards.join('')
        const [whole, split] = [new ReasoningFilter(), new ReasoningFilter()]
        whole.add(text)
        whole.end()
        let from = 0
        for (const cut of cuts) {
          split.add(text.slice(from, from + cut))
          from = Math.min(text.length, from + cut)
        }
        split.add(text.slice(from))
        split.end()
        expect(split.text).toBe(whole.text)
        expect(whole.text).not.toMatch(/<\/?think(?:ing)?>/i)
      }),
    )
  })
})
