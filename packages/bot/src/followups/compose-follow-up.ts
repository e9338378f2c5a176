import { randomBytes } from 'node:crypto'
import type { Clock, Logger } from 'belfry'
import type { Database } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import type { FollowUpPayload } from '../job-catalog.ts'
import type { DistressGuard } from '../llm/distress.ts'
import { detectLanguage, languageOf, type Language } from '../llm/language.ts'
import type { LlmClient } from '../llm/llm-client.ts'
import { LONGEST_CALL_MS } from '../llm/openai-compatible.ts'
import { followUpInstructions, followUpPrompt, type FollowUpPromptInput } from '../llm/prompts.ts'
import { recentTalk } from '../memory/conversation-store.ts'
import type { PlatformName, Turn } from '../messaging/message.ts'
import { chosenChannel } from '../users/follow-up-place.ts'
import { findProfile } from '../users/profile-store.ts'
import { respondToDistress } from './distress-response.ts'
import { FAULT_WORDS, faultOfDraft, withoutQuotes, type DraftFault } from './draft-faults.ts'
import { lastFollowUps } from './follow-up-store.ts'
import { nameOf, templateFollowUps } from './follow-up-templates.ts'
import { checkFollowUpText, type SafetyContext } from './safety.ts'
import type { Variant } from './variants.ts'

/** A text that may go out, and where. */
export interface ComposedFollowUp {
  readonly text: string
  readonly source: 'model' | 'template'
  readonly template: string | undefined
  readonly language: Language
  readonly platform: PlatformName
  readonly conversationId: string
  /** Others read along there: it is written from nothing but the talk in that very channel. */
  readonly inChannel: boolean
}

export interface ComposeRequest {
  readonly payload: FollowUpPayload
  readonly signal: AbortSignal
  /** How this person is followed up: `writer: 'template'` asks no model, `opener` chooses how the text opens. */
  readonly variant?: Pick<Variant, 'writer' | 'opener'>
  /** A line put under the text after the safety gate, counted in its length. */
  readonly footer?: (language: Language) => string
  /** Nothing is stored: only what would be written is wanted. */
  readonly isPreview?: boolean
}

export interface ComposerParts {
  readonly database: Database
  readonly botName: string
  readonly llm: LlmClient | undefined
  readonly distress: DistressGuard
  readonly clock: Clock
  readonly logger: Logger
}

const RECALLED_TURNS = 24
const REMEMBERED_FOLLOW_UPS = 5
const FOLLOW_UP_TOKENS = 200
/** The first draft and one more after a refusal. */
const DRAFTS = 2
/** The last conversation: the 24 hours up to the person's last message. */
const TALK_MS = 24 * 3_600_000

/** What is read before anything else. */
interface Known {
  readonly turns: readonly Turn[]
  readonly displayName: string
  readonly locale: string | undefined
  readonly channel: string | undefined
}

/** What a text is written from and judged by. */
interface Material {
  readonly displayName: string
  /** Talk, without what was said in distress. */
  readonly lines: readonly Turn[]
  readonly hint: string | undefined
  readonly language: Language
  readonly isInDistress: boolean
  readonly inChannel: boolean
  readonly previousTemplates: readonly (string | undefined)[]
  readonly safety: SafetyContext
}

/** Writes the text of a follow-up: model, then template; whatever fails the safety gate is not sent. */
export class FollowUpComposer {
  readonly #parts: ComposerParts

  constructor(parts: ComposerParts) {
    this.#parts = parts
  }

  /** `unsafe` when neither model nor template wrote anything that may be sent, or nobody knows where to send it. */
  async compose(request: ComposeRequest): Promise<ComposedFollowUp | 'unsafe'> {
    const { database, clock, logger } = this.#parts
    const { userId, automatic } = request.payload
    const profile = await findProfile(database, userId)
    if (!profile?.lastConversationId || !profile.platform) return 'unsafe'
    const channel = chosenChannel(profile)
    const inChannel = channel !== undefined
    const place = { platform: profile.platform, conversationId: channel ?? profile.lastConversationId, inChannel }
    const turns = await recentTalk(database, { conversationId: place.conversationId, limit: RECALLED_TURNS, userId })
    const { displayName, locale } = profile
    const material = await this.#gather(request, { turns, displayName, locale, channel })
    // Somebody who may be in danger needs people, not a cheerful note from a program at a planned hour.
    if (automatic && material.isInDistress) {
      if (!request.isPreview) await respondToDistress(database, { userId, now: databaseNow(clock), logger })
      return 'unsafe'
    }
    if (inChannel && material.isInDistress) return 'unsafe'
    const { language } = material
    const footer = request.footer ? `\n${request.footer(language)}` : ''
    const drafted = await this.#draft(request, material)
    if (drafted !== undefined) {
      return { ...place, text: drafted + footer, source: 'model', template: undefined, language }
    }
    const opener = request.variant?.opener
    const written = templateFollowUps({ ...material, previous: material.previousTemplates, opener }).find(
      ({ text }) => checkFollowUpText(text, material.safety) === undefined,
    )
    if (written)
      return { ...place, text: written.text + footer, source: 'template', template: written.template, language }
    logger.warn({ event: 'follow_up_unsafe' }, 'no text for a follow-up passed the safety gate; none is sent')
    return 'unsafe'
  }

  async #gather(request: ComposeRequest, known: Known): Promise<Material> {
    const { database, distress } = this.#parts
    const { userId } = request.payload
    const { channel } = known
    const inChannel = channel !== undefined
    const previous = await lastFollowUps(database, { userId, limit: REMEMBERED_FOLLOW_UPS })
    const theirs = known.turns.filter(turn => turn.author === 'user')
    const language = detectLanguage(theirs.map(turn => turn.text)) ?? languageOf(known.locale)
    const talk = lastTalk(known.turns)
    // Not even what was said around it: others read along.
    const isUnspoken = inChannel && theirs.some(turn => distress.isDistress(turn.text))
    return {
      inChannel,
      // What they are called elsewhere, and a topic from who knows where, are not for a channel.
      displayName: inChannel ? '' : known.displayName,
      hint: inChannel ? undefined : topicHint(request.payload),
      lines: isUnspoken ? [] : distress.without(known.turns.filter(turn => turn.kind === 'chat')),
      language,
      isInDistress: talk.some(turn => turn.author === 'user' && distress.isDistress(turn.text)),
      previousTemplates: previous.map(each => each.template),
      safety: {
        theirTexts: theirs.map(turn => turn.text),
        previousFollowUps: previous
          .filter(each => !inChannel || each.conversationId === channel)
          .map(each => each.message),
        ourTexts: talk.filter(turn => turn.author === 'bot').map(turn => turn.text),
        reserved: request.footer ? request.footer(language).length + 1 : 0,
      },
    }
  }

  /** The model's text, or undefined when there is none wanted, it fails, or its drafts are refused. */
  async #draft(request: ComposeRequest, material: Material): Promise<string | undefined> {
    const { llm, botName, clock, logger } = this.#parts
    if (!llm || request.variant?.writer === 'template' || material.isInDistress) return undefined
    if (material.inChannel && material.lines.length === 0) return undefined
    const opener = request.variant?.opener
    const fence = randomBytes(12).toString('hex')
    const person = nameOf(material.displayName, material.lines)
    const prompt: FollowUpPromptInput = { ...material, botName, person, opener, fence }
    const safety = { ...material.safety, instructions: followUpInstructions(prompt) }
    const deadline = clock.monotonic() + LONGEST_CALL_MS
    let refused: DraftFault | undefined
    for (let draft = 0; draft < DRAFTS && deadline > clock.monotonic(); draft += 1) {
      const messages = followUpPrompt({ ...prompt, ...(refused && { refused: FAULT_WORDS[refused] }) })
      try {
        const withinMs = deadline - clock.monotonic()
        const answer = await llm.complete({ messages, maxTokens: FOLLOW_UP_TOKENS, signal: request.signal, withinMs })
        const text = withoutQuotes(answer.text)
        refused = faultOfDraft(text, { safety, fence, opener })
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

function lastTalk(turns: readonly Turn[]): Turn[] {
  const last = turns.findLast(turn => turn.author === 'user')?.sentAt.getTime() ?? 0
  return turns.filter(turn => turn.sentAt.getTime() > last - TALK_MS)
}

/** The guide hands in `{ last_topic: 'Python programming' }`. */
function topicHint({ messageContext }: FollowUpPayload): string | undefined {
  const hint = messageContext?.['last_topic'] ?? messageContext?.['lastTopic']
  return typeof hint === 'string' && hint.trim() !== '' ? hint : undefined
}
