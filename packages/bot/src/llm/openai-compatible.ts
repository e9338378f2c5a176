import { sleep, type Clock } from 'belfry'
import { z } from 'zod'
import { trimAtSentence } from './clean-text.ts'
import { LlmError, type Completion, type CompletionRequest, type LlmClient } from './llm-client.ts'

export interface OpenAiCompatibleOptions {
  /** e.g. `http://localhost:11434/v1`; `/chat/completions` is added. */
  readonly baseUrl: string
  readonly model: string
  /** Local endpoints need none. */
  readonly apiKey: string | undefined
  readonly clock: Clock
  /** One try, in milliseconds. Default 30,000. */
  readonly timeoutMs?: number
}

const DEFAULT_TIMEOUT_MS = 30_000
const TRIES = 2
const PAUSE_MS = 1_000
/** A longer Retry-After than this is not waited for: somebody is waiting for an answer. */
const LONGEST_WAIT_MS = 10_000
const LARGEST_ANSWER_BYTES = 1_000_000

const answerShape = z.object({
  choices: z
    .array(z.object({ message: z.object({ content: z.string().nullish() }), finish_reason: z.string().nullish() }))
    .min(1),
  usage: z.object({ prompt_tokens: z.number().nullish(), completion_tokens: z.number().nullish() }).nullish(),
})

/** A client for any OpenAI-compatible endpoint: OpenAI, OpenRouter, Ollama, LM Studio, llama.cpp, vLLM. */
export function createOpenAiCompatibleClient(options: OpenAiCompatibleOptions): LlmClient {
  const url = `${options.baseUrl.replace(/\/+$/, '')}/chat/completions`
  const learned: Learned = { limitName: 'max_tokens' }
  return {
    label: `${options.model} at ${new URL(url).host}`,
    async complete(request) {
      for (let left = TRIES - 1; ; left -= 1) {
        try {
          return await ask(url, request, { ...options, learned })
        } catch (error) {
          if (left === 0 || !(error instanceof RetryableError) || request.signal?.aborted) throw plain(error)
          await sleep(options.clock, error.waitMs, request.signal)
        }
      }
    },
  }
}

/** What an endpoint has taught: newer OpenAI models refuse `max_tokens`, Ollama ignores `max_completion_tokens`. */
interface Learned {
  limitName: 'max_tokens' | 'max_completion_tokens'
}

/** Worth a second try, after a pause. */
class RetryableError extends LlmError {
  readonly waitMs: number

  constructor(error: LlmError, waitMs: number) {
    super(error.failure, error.message, { cause: error.cause })
    this.waitMs = waitMs
  }
}

function plain(error: unknown): unknown {
  return error instanceof RetryableError ? new LlmError(error.failure, error.message, { cause: error.cause }) : error
}

async function ask(
  url: string,
  request: CompletionRequest,
  options: OpenAiCompatibleOptions & { readonly learned: Learned },
): Promise<Completion> {
  const { learned } = options
  const { limitName } = learned
  const timeout = new AbortController()
  const timer = options.clock.setTimer(options.timeoutMs ?? DEFAULT_TIMEOUT_MS, () => timeout.abort())
  const signal = request.signal ? AbortSignal.any([timeout.signal, request.signal]) : timeout.signal
  try {
    const response = await fetch(url, {
      method: 'POST',
      signal,
      headers: {
        'content-type': 'application/json',
        ...(options.apiKey && { authorization: `Bearer ${options.apiKey}` }),
      },
      body: JSON.stringify({ model: options.model, messages: request.messages, [limitName]: request.maxTokens }),
    })
    const text = await readBounded(response)
    if (response.status === 400 && limitName === 'max_tokens' && text.includes('max_completion_tokens')) {
      learned.limitName = 'max_completion_tokens'
      throw new RetryableError(new LlmError('bad_request', 'the language model wants its limit under another name'), 0)
    }
    if (!response.ok) throw refusal(response, options.clock)
    return completionOf(text)
  } catch (error) {
    if (error instanceof LlmError) throw error
    if (request.signal?.aborted) throw new LlmError('aborted', 'the request was given up')
    if (timeout.signal.aborted)
      throw new RetryableError(new LlmError('timeout', 'the language model did not answer in time'), 0)
    // fetch's own error may quote headers; only its kind is passed on.
    const code =
      error instanceof Error && error.cause instanceof Error && 'code' in error.cause
        ? String(error.cause.code)
        : 'no answer'
    throw new RetryableError(new LlmError('unreachable', `the language model cannot be reached (${code})`), PAUSE_MS)
  } finally {
    timer.cancel()
  }
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > LARGEST_ANSWER_BYTES)
      throw new LlmError('bad_answer', 'the language model answered more than a megabyte')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function refusal(response: Response, clock: Clock): LlmError {
  const { status } = response
  if (status === 401 || status === 403)
    return new LlmError('unauthorized', `the language model refused the key (${status})`)
  if (status === 429) {
    const waitMs = retryAfterMs(response.headers.get('retry-after') ?? '', clock)
    const error = new LlmError('rate_limited', 'the language model is busy (429)')
    return waitMs <= LONGEST_WAIT_MS ? new RetryableError(error, waitMs) : error
  }
  if (status >= 500 || status === 408 || status === 409) {
    return new RetryableError(new LlmError('server_error', `the language model failed (${status})`), PAUSE_MS)
  }
  return new LlmError('bad_request', `the language model refused the request (${status})`)
}

/** Seconds or a date, as HTTP allows; anything else is no help. */
function retryAfterMs(header: string, clock: Clock): number {
  if (/^\d{1,9}(\.\d{1,9})?$/.test(header)) return Number(header) * 1_000
  const date = Date.parse(header)
  return /[a-z]{3}/i.test(header) && !Number.isNaN(date) ? Math.max(0, date - clock.now().getTime()) : PAUSE_MS
}

function completionOf(text: string): Completion {
  let parsed: z.infer<typeof answerShape>
  try {
    parsed = answerShape.parse(JSON.parse(text))
  } catch {
    // The parser's own error quotes what came, and what came may quote our headers.
    throw new LlmError('bad_answer', 'the language model answered something that is no chat completion')
  }
  const [choice] = parsed.choices
  const answer = withoutReasoning(choice?.message.content ?? '')
  if (answer === '') throw new LlmError('empty_answer', 'the language model answered nothing')
  const finishReason =
    choice?.finish_reason === 'stop' || choice?.finish_reason === 'length' ? choice.finish_reason : 'other'
  return {
    text: finishReason === 'length' ? trimAtSentence(answer) : answer,
    finishReason,
    promptTokens: parsed.usage?.prompt_tokens ?? 0,
    completionTokens: parsed.usage?.completion_tokens ?? 0,
  }
}

/**
 * Reasoning models think aloud between tags, sometimes without closing them, sometimes without opening them; none of it
 * is for the person. Nor are NUL characters and halves of characters, which no database takes.
 */
function withoutReasoning(text: string): string {
  return text
    .replace(/<think(?:ing)?>[\s\S]*?(?:<\/think(?:ing)?>|$)/gi, '')
    .replace(/^[\s\S]*<\/think(?:ing)?>/i, '')
    .replaceAll('\0', '')
    .toWellFormed()
    .trim()
}
