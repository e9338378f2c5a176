import { randomBytes } from 'node:crypto'
import type { Logger } from 'belfry'
import type { Database } from 'belfry/database'
import type { FollowUpPayload } from '../job-catalog.ts'
import type { LlmClient } from '../llm/llm-client.ts'
import { followUpPrompt } from '../llm/prompts.ts'
import { templateFollowUp } from '../llm/template.ts'
import { isDistress } from '../llm/topic.ts'
import { recentTalk } from '../memory/conversation-store.ts'
import type { PlatformName, Turn } from '../messaging/message.ts'
import { findProfile } from '../users/profile-store.ts'
import { lastFollowUps } from './follow-up-store.ts'
import { checkFollowUpText } from './safety.ts'

/** A text that may go out, and where. */
export interface ComposedFollowUp {
  readonly text: string
  readonly source: 'model' | 'template'
  readonly template: string | undefined
  readonly platform: PlatformName
  readonly conversationId: string
}

const RECALLED_TURNS = 24
const REMEMBERED_FOLLOW_UPS = 5
const FOLLOW_UP_TOKENS = 200
/** The first draft and one more after a refusal. */
const DRAFTS = 2

interface Request {
  readonly payload: FollowUpPayload
  readonly signal: AbortSignal
}

/** Writes the text of a follow-up: model, then template; whatever fails the safety gate is not sent. */
export class FollowUpComposer {
  readonly #parts: { database: Database; botName: string; llm: LlmClient | undefined; logger: Logger }

  constructor(parts: { database: Database; botName: string; llm: LlmClient | undefined; logger: Logger }) {
    this.#parts = parts
  }

  /** `unsafe` when neither model nor template wrote anything that may be sent, or nobody knows where to send it. */
  async compose(request: Request): Promise<ComposedFollowUp | 'unsafe'> {
    const { database } = this.#parts
    const { userId } = request.payload
    const profile = await findProfile(database, userId)
    if (!profile?.lastConversationId || !profile.platform) return 'unsafe'
    const place = { platform: profile.platform, conversationId: profile.lastConversationId }
    const turns = await recentTalk(database, { conversationId: place.conversationId, limit: RECALLED_TURNS })
    // Somebody who may be in danger needs people, not a cheerful note from a program at a planned hour.
    if (request.payload.automatic && turns.some(turn => turn.author === 'user' && isDistress(turn.text)))
      return 'unsafe'
    const previous = await lastFollowUps(database, { userId, limit: REMEMBERED_FOLLOW_UPS })
    const isSafe = (text: string) =>
      checkFollowUpText(text, {
        theirTexts: turns.filter(turn => turn.author === 'user').map(turn => turn.text),
        previousFollowUps: previous.map(each => each.message),
      })
    const material = { displayName: profile.displayName, turns, hint: topicHint(request.payload) }
    const drafted = await this.#draft(request, material, isSafe)
    if (drafted !== undefined) return { ...place, text: drafted, source: 'model', template: undefined }
    const used = previous.map(each => each.template)
    for (const skipped of [used, [undefined]]) {
      const { text, template } = templateFollowUp({ ...material, lines: talkOf(turns), previous: skipped })
      if (isSafe(text) === undefined) return { ...place, text, source: 'template', template }
    }
    const { text, template } = templateFollowUp({ displayName: profile.displayName, lines: [], previous: used })
    return isSafe(text) === undefined ? { ...place, text, source: 'template', template } : 'unsafe'
  }

  /** The model's text, or undefined when there is no model, it fails, or its drafts are refused. */
  async #draft(
    request: Request,
    material: { displayName: string; turns: readonly Turn[]; hint: string | undefined },
    fault: (text: string) => string | undefined,
  ): Promise<string | undefined> {
    const { llm, botName, logger } = this.#parts
    if (!llm) return undefined
    const fence = randomBytes(12).toString('hex')
    const messages = followUpPrompt({
      botName,
      displayName: material.displayName,
      lines: talkOf(material.turns),
      fence,
      ...(material.hint !== undefined && { hint: material.hint }),
    })
    for (let draft = 0; draft < DRAFTS; draft += 1) {
      try {
        const { text } = await llm.complete({ messages, maxTokens: FOLLOW_UP_TOKENS, signal: request.signal })
        const refused = text.includes(fence) ? 'code' : fault(text)
        if (refused === undefined) return text
        logger.info({ event: 'follow_up_draft_refused', reason: refused }, 'a draft of the language model was refused')
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        logger.warn(
          { event: 'llm_failed', during: 'follow_up', reason },
          'the language model failed; a template is used',
        )
        return undefined
      }
    }
    return undefined
  }
}

function talkOf(turns: readonly Turn[]): Turn[] {
  return turns.filter(turn => turn.kind === 'chat')
}

/** The guide hands in `{ last_topic: 'Python programming' }`. */
function topicHint({ messageContext }: FollowUpPayload): string | undefined {
  const hint = messageContext?.['last_topic'] ?? messageContext?.['lastTopic']
  return typeof hint === 'string' && hint.trim() !== '' ? hint : undefined
}
