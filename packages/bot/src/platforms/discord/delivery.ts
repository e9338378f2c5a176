import { DiscordAPIError, MessageFlags, Routes, type APIMessage, type REST } from 'discord.js'
import type { Clock } from 'belfry'
import {
  DeliveryError,
  type Delivery,
  type OutboundMessage,
  type RemotePlatform,
  type SentQuery,
} from '../../messaging/platform.ts'
import { followUpButtons } from './buttons.ts'
import { channelMessagesAfter, findChosenChannel } from './chosen-channel.ts'
import { DirectMessages, messagesAfter } from './direct-messages.ts'
import { failureOf, tokenRefused } from './failures.ts'
import { conversationIdOf, snowflakeAt, snowflakeOf, timeOf } from './ids.ts'

/** What delivering needs of the connection. */
export interface Line {
  /** Undefined while there is no login. */
  rest(): REST | undefined
  botId(): string | undefined
  /**
   * Hears what a person wrote in their direct messages and the bot was not told of; whether there was something.
   * @throws what Discord answers
   */
  hearMissed(from: { userId: string; channelId: string }): Promise<boolean>
  /** Discord refuses the token: nothing will go out until somebody gives a valid one. */
  isTokenRefused(): boolean
}

/** Discord recognises a nonce for "the past few minutes"; this much of that is safe to rely on. */
const NONCE_WINDOW_MS = 90_000
/** Our clock and Discord's may differ by this much. */
const SKEW_MS = 10_000
/** An answer made this long before the try is an earlier message, not a clock that is off. */
const SURELY_EARLIER_MS = 1_000
/** While there is no connection: as long again as there has been none, within these. */
const SOONEST_AGAIN_MS = 1_000
const LATEST_AGAIN_MS = 30_000
/** What somebody has just written is taken in before their follow-up is decided anew. */
const HEARING_MS = 5_000
/** Enforced nonce of a message that was deleted since: it had been sent [discord-api-docs, pull request 6647]. */
const UNKNOWN_MESSAGE = 10_008

/** Where a message goes, and how it reads there. */
interface Target {
  readonly channelId: string
  readonly conversationId: string
  /** The channel in which their "stop" would be, if that is known. */
  readonly heardIn: string | undefined
  readonly content: string
  /** The one person it may ring by name. */
  readonly mentions: readonly string[]
}

/** Sends follow-ups on Discord, each once: in direct messages, or in the channel that their person chose. */
export class DiscordPlatform implements RemotePlatform {
  readonly name = 'discord'
  readonly nonceWindowMs = NONCE_WINDOW_MS
  readonly #line: Line
  readonly #clock: Clock
  readonly #directMessages = new DirectMessages()
  #awaySince: number | undefined

  constructor(line: Line, clock: Clock) {
    this.#line = line
    this.#clock = clock
  }

  /** @throws DeliveryError */
  async send(message: OutboundMessage, signal: AbortSignal): Promise<Delivery> {
    const rest = this.#rest()
    const target = await this.#targetOf(rest, message, signal)
    const { channelId, conversationId, heardIn, content, mentions } = target
    if (heardIn !== undefined) await this.#hearFirst({ userId: message.userId, channelId: heardIn })
    const startedAt = this.#clock.now().getTime()
    try {
      const sent = (await rest.post(Routes.channelMessages(channelId), {
        body: {
          content,
          nonce: message.nonce,
          enforce_nonce: true,
          allowed_mentions: { parse: [], users: mentions },
          ...(message.silent && { flags: MessageFlags.SuppressNotifications }),
          components: followUpButtons(message.followUpId, message.actions, message.language),
        },
        signal,
      })) as APIMessage
      const deduplicated = timeOf(sent.id) < startedAt - SURELY_EARLIER_MS
      return { platformMessageId: sent.id, deduplicated, ...elsewhere(message, conversationId) }
    } catch (error) {
      if (error instanceof DiscordAPIError && error.code === UNKNOWN_MESSAGE) {
        return { platformMessageId: 'deleted', deduplicated: true, ...elsewhere(message, conversationId) }
      }
      throw failureOf(error)
    }
  }

  async findSent(query: SentQuery, signal: AbortSignal): Promise<Delivery | 'absent' | 'unreadable'> {
    const [rest, botId] = [this.#line.rest(), this.#line.botId()]
    if (!rest || botId === undefined) return 'unreadable'
    try {
      const { channelId, conversationId, content } = await this.#targetOf(rest, query, signal)
      const after = snowflakeAt(new Date(query.since.getTime() - SKEW_MS))
      const read = query.inChannel ? channelMessagesAfter : messagesAfter
      const messages = await read(rest, { channelId, after }, signal)
      if (!messages) return 'unreadable'
      const found = messages.find(
        // Discord documents no nonce in what it gives back here, so the text decides too; it trims what it is sent.
        each => each.author.id === botId && (each.nonce === query.nonce || each.content === content.trim()),
      )
      return found
        ? { platformMessageId: found.id, deduplicated: false, ...elsewhere(query, conversationId) }
        : 'absent'
    } catch {
      return 'unreadable'
    }
  }

  /** One frozen for a channel goes to that channel or nowhere, one frozen for direct messages never to a channel. */
  async #targetOf(rest: REST, message: OutboundMessage | SentQuery, signal: AbortSignal): Promise<Target> {
    const { text, privateConversationId } = message
    if (!message.inChannel) {
      const own = await this.#directMessages.find(rest, message, signal)
      return { ...own, heardIn: own.channelId, content: text, mentions: [] }
    }
    const { channelId, person } = await findChosenChannel(rest, message, signal)
    return {
      channelId,
      conversationId: conversationIdOf(channelId),
      heardIn: snowflakeOf(privateConversationId ?? ''),
      content: `<@${person}> ${text}`,
      mentions: [person],
    }
  }

  /** A "stop" that was written while nobody listened counts: the gates are asked again when it is taken in. */
  async #hearFirst(from: { userId: string; channelId: string }): Promise<void> {
    let wasMissed: boolean
    try {
      wasMissed = await this.#line.hearMissed(from)
    } catch (error) {
      const { code, message, retryAfterMs = LATEST_AGAIN_MS } = failureOf(error)
      throw new DeliveryError('retry', code, `what they wrote cannot be read: ${message}`, { retryAfterMs })
    }
    if (!wasMissed) return
    const text = 'they have written what was not heard yet; nothing was sent'
    throw new DeliveryError('retry', 'not_heard_yet', text, { retryAfterMs: HEARING_MS })
  }

  #rest(): REST {
    const rest = this.#line.rest()
    if (this.#line.isTokenRefused()) throw tokenRefused()
    if (rest) {
      this.#awaySince = undefined
      return rest
    }
    this.#awaySince ??= this.#clock.monotonic()
    const awayMs = this.#clock.monotonic() - this.#awaySince
    throw new DeliveryError('retry', 'not_connected', 'there is no connection to Discord; nothing was sent', {
      retryAfterMs: Math.min(Math.max(awayMs, SOONEST_AGAIN_MS), LATEST_AGAIN_MS),
    })
  }
}

function elsewhere(asked: { conversationId: string }, conversationId: string): { conversationId?: string } {
  return asked.conversationId === conversationId ? {} : { conversationId }
}
