/** One message of a prompt. */
export interface PromptMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

/** What a language model is asked. */
export interface CompletionRequest {
  readonly messages: readonly PromptMessage[]
  /** Upper bound for the answer, in tokens. */
  readonly maxTokens: number
  /** Ends the request early: shutdown, lost lease, the person left. */
  readonly signal?: AbortSignal
  /** Upper bound for the whole call, every try and pause in it, in milliseconds. Default: the client's own. */
  readonly withinMs?: number
  /** Wanted: the answer is streamed, and this is called with all of it so far, whenever it has grown. */
  readonly onDraft?: (textSoFar: string) => void
}

/** What it answered: text only, reasoning already removed. */
export interface Completion {
  readonly text: string
  /** `length` and `cut`: the text ends after its last whole sentence, because of a limit or because the stream broke. */
  readonly finishReason: 'stop' | 'length' | 'cut' | 'other'
  /** What the endpoint reports, or an estimate. */
  readonly promptTokens: number
  readonly completionTokens: number
}

/** A language model. Every failure is an `LlmError`; an empty answer is a failure. */
export interface LlmClient {
  /** Shown to people: the model's name and host, never the key. */
  readonly label: string
  complete(request: CompletionRequest): Promise<Completion>
}

/** Why a model gave no usable answer. */
export type LlmFailure =
  | 'timeout'
  | 'aborted'
  | 'unreachable'
  | 'unauthorized'
  | 'rate_limited'
  | 'server_error'
  | 'bad_request'
  | 'bad_answer'
  | 'empty_answer'
  | 'breaker_open'
  | 'budget_spent'

export class LlmError extends Error {
  override readonly name = 'LlmError'
  readonly failure: LlmFailure
  /** Worth another try after so many milliseconds; undefined: not worth one. */
  readonly retryAfterMs: number | undefined

  constructor(failure: LlmFailure, message: string, options: { retryAfterMs?: number } = {}) {
    super(message)
    this.failure = failure
    this.retryAfterMs = options.retryAfterMs
  }
}

/** Tokens a text takes at most, as far as anybody can tell without its tokenizer: three characters each. */
export function estimateTokens(text: string): number {
  return Math.ceil(text.length / 3)
}
