import { PermissionFlagsBits, type Client, type Message } from 'discord.js'
import { ConversationLanes } from '../../chat/conversation-lanes.ts'
import { databaseNow } from '../../clock.ts'
import { recentConversations } from '../../memory/conversation-store.ts'
import type { CommandAnswer } from '../../commands/command.ts'
import { findCommand, isCommand } from '../../commands/dispatch-command.ts'
import type { InboundMessage } from '../../messaging/message.ts'
import { consentButtons } from './buttons.ts'
import type { CommandButtons } from './command-buttons.ts'
import { isNeverHeldUp, TOO_FAST, type CommandPace } from './command-pace.ts'
import { DirectMessages } from './direct-messages.ts'
import { conversationIdOf, snowflakeOf } from './ids.ts'
import { readMessage } from './inbound.ts'
import { layOut, type LaidOut } from './laid-out.ts'
import type { DiscordApp, DiscordOptions } from './parts.ts'
import { Speaker } from './speaker.ts'

/** Direct messages that are looked through after a gap, and how recent they must be. */
const CAUGHT_UP = 50
const CAUGHT_UP_WITHIN_MS = 14 * 86_400_000
const CAUGHT_UP_MESSAGES = 100

/** What people say on Discord, answered in order within each channel. */
export class Conversations {
  readonly #options: DiscordOptions
  readonly #app: DiscordApp
  readonly #directMessages = new DirectMessages()
  readonly #pace: CommandPace
  readonly #buttons: CommandButtons
  readonly #lanes = new ConversationLanes()

  constructor(parts: { options: DiscordOptions; app: DiscordApp; pace: CommandPace; buttons: CommandButtons }) {
    this.#options = parts.options
    this.#app = parts.app
    this.#pace = parts.pace
    this.#buttons = parts.buttons
  }

  /** Takes a message in, if it is for the bot, and answers it. Never rejects. */
  async hear(message: Message): Promise<void> {
    const { logger, prefix, chatChannelIds, adminUserIds } = this.#options
    const inbound = readMessage(message, {
      botId: message.client.user.id,
      prefix,
      commands: this.#app.commands,
      chatChannelIds,
      adminUserIds,
      rest: message.client.rest,
    })
    if (!inbound || this.#isHeldUp(message, inbound)) return
    await this.#lanes
      .run(inbound.conversationId, () => this.#answer(message, inbound))
      .catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error)
        logger.error({ event: 'discord_message_failed', reason }, 'a message on Discord could not be answered')
      })
  }

  /** Resolves when everything heard is answered. */
  whenIdle(): Promise<void> {
    return this.#lanes.whenIdle()
  }

  /** After a gap in what Discord told: reads what people wrote in direct messages meanwhile. A "stop" must not be missed. */
  async catchUp(client: Client): Promise<void> {
    const { clock, logger } = this.#options
    const request = { prefix: 'discord:', withinMs: CAUGHT_UP_WITHIN_MS, limit: CAUGHT_UP, now: databaseNow(clock) }
    for (const { conversationId, lastMessageId } of await recentConversations(this.#app.database, request)) {
      try {
        await this.#readAfter(client, { channelId: snowflakeOf(conversationId) ?? '', after: lastMessageId })
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        logger.warn({ event: 'discord_catch_up_failed', reason }, 'a conversation could not be read after a gap')
      }
    }
  }

  async #readAfter(client: Client, { channelId, after }: { channelId: string; after: string }): Promise<void> {
    const channel = await client.channels.fetch(channelId)
    if (!channel?.isDMBased() || !channel.isTextBased()) return
    const missed = await channel.messages.fetch({ after, limit: CAUGHT_UP_MESSAGES, cache: false })
    for (const message of [...missed.values()].toReversed()) await this.hear(message)
  }

  async #answer(message: Message, inbound: InboundMessage): Promise<void> {
    const { channelId } = message
    const speaker = this.#speaker(message)
    const { reply, aside, ...more } = await speaker.whileTyping(channelId, this.#app.chat.handle(inbound))
    const text = aside ?? reply?.text
    if (text === undefined) return
    const { attachment } = more
    const isPrivate = aside !== undefined || attachment !== undefined || this.#isPersonal(inbound)
    if (message.inGuild() && isPrivate) return this.#answerInPrivate(message, { inbound, answer: { ...more, text } })
    const said = {
      channelId,
      text,
      answers: message.id,
      asReply: message.inGuild(),
      ...this.#layOut(message, more, channelId),
      ...(attachment && { file: attachment }),
    }
    if (!(await speaker.say(said))) return
    if (reply?.kind === 'chat' && !message.inGuild()) await this.#askForConsent(message, inbound)
  }

  /** Over the connection the message came by: it is there before the door calls itself connected. */
  #speaker(message: Message): Speaker {
    const { clock, logger } = this.#options
    return new Speaker({ rest: message.client.rest, clock, logger })
  }

  /** Too many commands at once: told once, and after that nothing. */
  #isHeldUp(message: Message, { text, userId }: InboundMessage): boolean {
    const { prefix } = this.#options
    if (!isCommand(text, prefix) || isNeverHeldUp(text, prefix)) return false
    const verdict = this.#pace.take(userId)
    const { id: answers, channelId } = message
    if (verdict === 'tell')
      void this.#speaker(message).say({ channelId, text: TOO_FAST, answers, asReply: message.inGuild(), mark: 's' })
    return verdict !== 'pass'
  }

  #isPersonal({ text }: InboundMessage): boolean {
    const { prefix } = this.#options
    if (!isCommand(text, prefix)) return false
    const { command } = findCommand(this.#app.commands, text.slice(prefix.length).split(/\s+/))
    return command?.personal ?? false
  }

  #layOut(message: Message, answer: Pick<CommandAnswer, 'card' | 'buttons'>, channelId: string): LaidOut {
    const isHere = channelId === message.channelId
    const permissions = isHere && message.inGuild() ? message.channel.permissionsFor(message.client.user) : undefined
    return layOut(answer, {
      maker: this.#buttons,
      invoker: message.author.id,
      channelId,
      now: this.#options.clock.now(),
      mayEmbed: permissions === undefined || (permissions?.has(PermissionFlagsBits.EmbedLinks) ?? false),
    })
  }

  /** What is about one person is not said where others read along. */
  async #answerInPrivate(
    message: Message,
    { inbound, answer }: { inbound: InboundMessage; answer: CommandAnswer },
  ): Promise<void> {
    const speaker = this.#speaker(message)
    const { id: answers, channelId } = message
    const signal = new AbortController().signal
    const own = await this.#directMessages
      .find(message.client.rest, { userId: inbound.userId, conversationId: conversationIdOf(channelId) }, signal)
      .catch(() => undefined)
    const isSaid =
      own !== undefined &&
      (await speaker.say({
        channelId: own.channelId,
        text: answer.text,
        answers,
        asReply: false,
        mark: 'p',
        ...this.#layOut(message, answer, own.channelId),
        ...(answer.attachment && { file: answer.attachment }),
      }))
    const text = isSaid
      ? 'I have answered you in a direct message.'
      : 'That is between us, and I may not write to you directly. Use the slash command: only you will see its answer.'
    await speaker.say({ channelId, text, answers, asReply: true })
  }

  async #askForConsent(message: Message, inbound: InboundMessage): Promise<void> {
    const question = await this.#app.consentQuestion?.(inbound)
    if (!question) return
    const buttons = consentButtons(inbound.userId, question.language)
    await this.#speaker(message).say({
      channelId: message.channelId,
      text: question.text,
      answers: message.id,
      asReply: false,
      mark: 'c',
      buttons,
    })
  }
}
