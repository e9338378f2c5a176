import type { Logger } from 'belfry'
import type { DistressGuard } from '../llm/distress.ts'
import { detectLanguage } from '../llm/language.ts'
import type { LlmClient } from '../llm/llm-client.ts'
import { replyPrompt } from '../llm/prompts.ts'
import { templateReply } from '../llm/template.ts'
import type { Turn } from '../messaging/message.ts'

/** Upper bound of a reply, in tokens: a chat, no essay. */
const REPLY_TOKENS = 500

export interface ReplyComposerParts {
  readonly botName: string
  readonly llm: LlmClient | undefined
  readonly distress: DistressGuard
  readonly logger: Logger
  /** Aborts when the bot stops: the built-in writer answers what the model has not. */
  readonly stopping: AbortSignal
}

export interface ReplyRequest {
  readonly displayName: string
  /** The conversation, oldest first; the last one is answered. */
  readonly turns: readonly Turn[]
  /** Wanted: called with all of the answer so far, whenever the model has written more of it. */
  readonly onDraft?: ((textSoFar: string) => void) | undefined
}

/** Writes replies: with the language model if there is one and it answers, else with the built-in writer. */
export class ReplyComposer {
  readonly #parts: ReplyComposerParts

  constructor(parts: ReplyComposerParts) {
    this.#parts = parts
  }

  /** Somebody who may be in danger is told where help is, by nobody's model. */
  async compose({ displayName, turns, onDraft }: ReplyRequest): Promise<string> {
    const { botName, llm, distress, logger, stopping } = this.#parts
    const theirs = turns.filter(turn => turn.author === 'user').map(turn => turn.text)
    if (distress.isDistress(theirs.at(-1) ?? '')) {
      return distress.referral(detectLanguage(theirs.slice(-1)) ?? detectLanguage(theirs) ?? 'en')
    }
    if (llm) {
      try {
        const messages = replyPrompt({ botName, lines: turns })
        const request = { messages, maxTokens: REPLY_TOKENS, signal: stopping }
        return (await llm.complete({ ...request, ...(onDraft && { onDraft }) })).text
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        logger.warn(
          { event: 'llm_failed', during: 'reply', reason },
          'the language model failed; the built-in writer answers',
        )
      }
    }
    return templateReply({ botName, displayName, lines: distress.without(turns) })
  }
}
