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
}

/** What it answered: text only, reasoning already removed. */
export interface Completion {
  readonly text: string
  readonly finishReason: 'stop' | 'length' | 'other'
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

export class LlmError extends Error {
  override readonly name = 'LlmError'
  readonly failure: LlmFailure

  constructor(failure: LlmFailure, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.failure = failure
  }
}
