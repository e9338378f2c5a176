import type { Clock, Timer } from 'belfry'
import { LlmError, type Completion, type CompletionRequest, type LlmClient } from './llm-client.ts'
import { readAnswer, readText } from './read-answer.ts'

export interface EndpointOptions {
  /** e.g. `http://localhost:11434/v1`; `/chat/completions` is added. */
  readonly baseUrl: string
  readonly model: string
  /** Local endpoints need none. */
  readonly apiKey: string | undefined
  readonly clock: Clock
  /** One try, in milliseconds; of a streamed answer the longest silence in it. Default 30,000. */
  readonly timeoutMs?: number
  /** Sent only if set: some models refuse it. */
  readonly temperature?: number | undefined
}

const TIMEOUT_MS = 30_000
const PAUSE_MS = 1_000

/** What an endpoint has taught, kept for as long as the program runs. */
interface Learned {
  /** Newer OpenAI models refuse `max_tokens`; Ollama ignores `max_completion_tokens` without a word. */
  limitName: 'max_tokens' | 'max_completion_tokens'
  takesTemperature: boolean
  streams: boolean
  /** It closes its thinking without having opened it. */
  thinksFirst: boolean
}

/** One try at an OpenAI-compatible endpoint: OpenAI, OpenRouter, Ollama, LM Studio, llama.cpp, vLLM. */
export function createEndpoint(options: EndpointOptions): LlmClient {
  const url = `${options.baseUrl.replace(/\/+$/, '')}/chat/completions`
  const learned: Learned = { limitName: 'max_tokens', takesTemperature: true, streams: true, thinksFirst: false }
  return {
    label: `${options.model} at ${new URL(url).host}`,
    async complete(request) {
      const watch = new Watch(request, options)
      try {
        for (;;) {
          const answer = await ask({ url, request, options, learned, watch })
          if (answer !== 'learned') return answer
        }
      } catch (error) {
        throw faultOf(error, request, watch)
      } finally {
        watch.end()
      }
    },
  }
}

/** Gives a try up: after silence, after all the time there is, or when the caller leaves. */
class Watch {
  readonly #giveUp = new AbortController()
  readonly #clock: Clock
  readonly #silenceMs: number
  readonly #caller: AbortSignal | undefined
  readonly #leave = () => this.#giveUp.abort()
  readonly #whole: Timer | undefined
  #silence: Timer

  constructor(request: CompletionRequest, { clock, timeoutMs = TIMEOUT_MS }: EndpointOptions) {
    this.#clock = clock
    this.#silenceMs = Math.min(timeoutMs, request.withinMs ?? timeoutMs)
    this.#silence = clock.setTimer(this.#silenceMs, this.#leave)
    if (request.onDraft && request.withinMs !== undefined) this.#whole = clock.setTimer(request.withinMs, this.#leave)
    this.#caller = request.signal
    if (this.#caller?.aborted) this.#leave()
    this.#caller?.addEventListener('abort', this.#leave)
  }

  get signal(): AbortSignal {
    return this.#giveUp.signal
  }

  /** Something of the answer has come. */
  heard(): void {
    this.#silence.cancel()
    this.#silence = this.#clock.setTimer(this.#silenceMs, this.#leave)
  }

  end(): void {
    this.#silence.cancel()
    this.#whole?.cancel()
    this.#caller?.removeEventListener('abort', this.#leave)
  }
}

interface Asking {
  readonly url: string
  readonly request: CompletionRequest
  readonly options: EndpointOptions
  readonly learned: Learned
  readonly watch: Watch
}

/** `learned` when the endpoint refused a parameter it will not be sent again. */
async function ask({ url, request, options, learned, watch }: Asking): Promise<Completion | 'learned'> {
  const body = bodyOf(request, options, learned)
  const response = await fetch(url, {
    method: 'POST',
    signal: watch.signal,
    // Prompts and the key go where the operator said, and nowhere else.
    redirect: 'manual',
    headers: {
      'content-type': 'application/json',
      ...(options.apiKey && { authorization: `Bearer ${options.apiKey}` }),
    },
    body: JSON.stringify(body),
  })
  if (response.ok) {
    const reading = { request, thinksFirst: learned.thinksFirst, onProgress: () => watch.heard() }
    const { completion, thinksFirst } = await readAnswer(response, reading)
    learned.thinksFirst ||= thinksFirst
    return completion
  }
  const said = await readText(response)
  if ((response.status === 400 || response.status === 422) && learnFrom(said, body, learned)) return 'learned'
  throw refusal(response, options.clock)
}

function bodyOf(request: CompletionRequest, options: EndpointOptions, learned: Learned): Record<string, unknown> {
  return {
    model: options.model,
    messages: request.messages,
    [learned.limitName]: request.maxTokens,
    ...(options.temperature !== undefined && learned.takesTemperature && { temperature: options.temperature }),
    ...(request.onDraft && learned.streams && { stream: true }),
  }
}

/** Whether a refusal names a parameter that was sent and can be left out or renamed; each at most once. */
function learnFrom(said: string, sent: Record<string, unknown>, learned: Learned): boolean {
  if ('max_tokens' in sent && said.includes('max_completion_tokens')) learned.limitName = 'max_completion_tokens'
  else if ('temperature' in sent && said.includes('temperature')) learned.takesTemperature = false
  else if ('stream' in sent && /\bstream/.test(said)) learned.streams = false
  else return false
  return true
}

function refusal(response: Response, clock: Clock): LlmError {
  const { status } = response
  if (status === 401 || status === 403)
    return new LlmError('unauthorized', `the language model refused the key (${status})`)
  const retryAfterMs = pauseOf(response.headers.get('retry-after') ?? '', clock)
  if (status === 429) return new LlmError('rate_limited', 'the language model is busy (429)', { retryAfterMs })
  if (status >= 500 || status === 408 || status === 409)
    return new LlmError('server_error', `the language model failed (${status})`, { retryAfterMs })
  if (status >= 300 && status < 400)
    return new LlmError('bad_answer', `the language model is elsewhere (${status}): LLM_BASE_URL must not redirect`)
  return new LlmError('bad_request', `the language model refused the request (${status})`)
}

/** Seconds or a date, as HTTP allows; anything else is no help. In milliseconds. */
function pauseOf(header: string, clock: Clock): number {
  if (/^\d+(\.\d+)?$/.test(header)) return Number(header) * 1_000
  const date = Date.parse(header)
  return /[a-z]{3}/i.test(header) && !Number.isNaN(date) ? Math.max(0, date - clock.now().getTime()) : PAUSE_MS
}

/** What went wrong, without a word of what was sent: fetch's own error may quote headers. */
function faultOf(error: unknown, request: CompletionRequest, watch: Watch): LlmError {
  if (error instanceof LlmError) return error
  if (request.signal?.aborted) return new LlmError('aborted', 'the request was given up')
  if (watch.signal.aborted)
    return new LlmError('timeout', 'the language model did not answer in time', { retryAfterMs: 0 })
  const code =
    error instanceof Error && error.cause instanceof Error && 'code' in error.cause
      ? String(error.cause.code)
      : 'no answer'
  return new LlmError('unreachable', `the language model cannot be reached (${code})`, { retryAfterMs: PAUSE_MS })
}
