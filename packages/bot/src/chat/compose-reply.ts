import type { Logger } from 'belfry'
import type { LlmClient } from '../llm/llm-client.ts'
import { replyPrompt } from '../llm/prompts.ts'
import { templateReply } from '../llm/template.ts'
import type { Turn } from '../messaging/message.ts'

/** Upper bound of a reply, in tokens: a chat, no essay. */
const REPLY_TOKENS = 500

/** Writes replies: with the language model if there is one and it answers, else with the built-in writer. */
export class ReplyComposer {
  readonly #parts: { botName: string; llm: LlmClient | undefined; logger: Logger }

  constructor(parts: { botName: string; llm: LlmClient | undefined; logger: Logger }) {
    this.#parts = parts
  }

  /** @param input.turns the conversation, oldest first; the last one is answered */
  async compose(input: { displayName: string; turns: readonly Turn[] }): Promise<string> {
    const { botName, llm, logger } = this.#parts
    if (llm) {
      try {
        const prompt = replyPrompt({ botName, lines: input.turns })
        return (await llm.complete({ messages: prompt, maxTokens: REPLY_TOKENS })).text
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        logger.warn(
          { event: 'llm_failed', during: 'reply', reason },
          'the language model failed; the built-in writer answers',
        )
      }
    }
    return templateReply({ botName, displayName: input.displayName, lines: input.turns })
  }
}
