import { PermissionFlagsBits, type Client, type Message } from 'discord.js'
import { ConversationLanes } from '../../chat/conversation-lanes.ts'
import { databaseNow } from '../../clock.ts'
import type { CommandAnswer } from '../../commands/command.ts'
import { findCommand, isCommand } from '../../commands/dispatch-command.ts'
import type { InboundMessage } from '../../messaging/message.ts'
import { settleMessage } from '../../memory/unsettled-store.ts'
import {
  heardTo,
  noteHeard,
  notePrivateConversation,
  recentPrivateConversations,
} from '../../users/private-conversation-store.ts'
import { consentButtons } from './buttons.ts'
import type { CommandButtons } from './command-buttons.ts'
import { isNeverHeldUp, TOO_FAST, type CommandPace } from './command-pace.ts'
import { DirectMessages } from './direct-messages.ts'
import { answerLeft } from './left-answers.ts'
import { conversationIdOf, snowflakeAt, snowflakeOf } from './ids.ts'
import { readMessage } from './inbound.ts'
import { layOut, type LaidOut } from './laid-out.ts'
import type { DiscordApp, DiscordOptions } from './parts.ts'
import { Speaker } from './speaker.ts'

/** Direct messages that are looked through after a gap, and how recent they must be. */
const CAUGHT_UP = 200
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
  #hasLooked = false

  constructor(parts: { options: DiscordOptions; app: DiscordApp; pace: CommandPace; buttons: CommandButtons }) {
    this.#options = parts.options
    this.#app = parts.app
    this.#pace = parts.pace
    this.#buttons = parts.buttons
  }

  /** Takes a message in, if it is for the bot, and answers it. Never rejects. */
  async hear(message: Message): Promise<void> {
    const inbound = this.#read(message)
    if (!inbound) return
    if (this.#isHeldUp(message, inbound)) return this.#noteHeard(inbound)
    await this.#lanes
      .run(inbound.conversationId, () => this.#take(message, inbound))
      .catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error)
        this.#options.logger.error(
          { event: 'discord_message_failed', reason },
          'a message on Discord could not be answered',
        )
      })
  }

  #read(message: Message): InboundMessage | undefined {
    const { prefix, chatChannelIds, adminUserIds } = this.#options
    const { commands } = this.#app
    const { client } = message
    const inbound = readMessage(message, {
      botId: client.user.id,
      prefix,
      commands,
      chatChannelIds,
      adminUserIds,
      rest: client.rest,
    })
    return inbound && { ...inbound, handedToMany: true }
  }

  /** Answers what a process that died has left, in its place in the conversation. */
  async answerLeft(client: Client<true>): Promise<void> {
    const parts = { database: this.#app.database, options: this.#options, isFirstLook: !this.#hasLooked }
    this.#hasLooked = true
    await answerLeft(parts, client, async (message, text) => {
      const inbound = this.#read(message)
      if (!inbound) return
      const work = async () => {
        if (text === undefined) await this.#answer(message, { ...inbound, handedToMany: false })
        else await this.#tell(message, inbound, { answer: { text } })
      }
      await this.#lanes.run(inbound.conversationId, work)
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
    for (const { userId, conversationId } of await recentPrivateConversations(this.#app.database, request)) {
      try {
        for (const message of await this.#missed(client, { userId, channelId: snowflakeOf(conversationId) ?? '' }))
          await this.hear(message)
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        logger.warn({ event: 'discord_catch_up_failed', reason }, 'a conversation could not be read after a gap')
      }
    }
  }

  /** Whether somebody wrote in their direct messages what was not heard; it is being taken in then. */
  async hearMissed(client: Client, from: { userId: string; channelId: string }): Promise<boolean> {
    const missed = await this.#missed(client, from)
    for (const message of missed) void this.hear(message)
    return missed.length > 0
  }

  /** What a person wrote since they were last heard there, oldest first. */
  async #missed(client: Client, { userId, channelId }: { userId: string; channelId: string }): Promise<Message[]> {
    const longAgo = new Date(this.#options.clock.now().getTime() - CAUGHT_UP_WITHIN_MS)
    const after = (await heardTo(this.#app.database, userId)) ?? snowflakeAt(longAgo)
    const channel = await client.channels.fetch(channelId)
    if (!channel?.isDMBased() || !channel.isTextBased()) return []
    const since = await channel.messages.fetch({ after, limit: CAUGHT_UP_MESSAGES, cache: false })
    return [...since.values()].toReversed().filter(message => this.#read(message) !== undefined)
  }

  async #take(message: Message, inbound: InboundMessage): Promise<void> {
    const { conversationId, messageId } = inbound
    const isOurs = await this.#answer(message, inbound)
    const now = databaseNow(this.#options.clock)
    if (isOurs) await settleMessage(this.#app.database, { conversationId, messageId, now })
    await this.#noteHeard(inbound)
  }

  /** It need not be looked for after a gap. */
  async #noteHeard({ isPrivate, userId, conversationId, messageId }: InboundMessage): Promise<void> {
    if (isPrivate) await noteHeard(this.#app.database, { userId, conversationId, messageId })
  }

  /** False when there is nothing to say: another process says it, or it was said. */
  async #answer(message: Message, inbound: InboundMessage): Promise<boolean> {
    const work = this.#app.chat.handle(inbound)
    const { reply, aside, ...more } = await this.#speaker(message).whileTyping(message.channelId, work)
    const text = aside ?? reply?.text
    if (text === undefined) return false
    const isSaid = await this.#tell(message, inbound, { answer: { ...more, text }, isAside: aside !== undefined })
    if (isSaid && reply?.kind === 'chat' && !message.inGuild()) await this.#askForConsent(message, inbound)
    return true
  }

  /** Says it where it was asked, or in private what is not for others; whether Discord has taken it. */
  async #tell(
    message: Message,
    inbound: InboundMessage,
    { answer, isAside = false }: { answer: CommandAnswer; isAside?: boolean },
  ): Promise<boolean> {
    const { channelId } = message
    const { text, attachment } = answer
    const isPrivate = isAside || attachment !== undefined || this.#isPersonal(inbound)
    if (message.inGuild() && isPrivate) return this.#answerInPrivate(message, { inbound, answer })
    return this.#speaker(message).say({
      channelId,
      text,
      answers: message.id,
      asReply: message.inGuild(),
      ...this.#layOut(message, answer, channelId),
      ...(attachment && { file: attachment }),
    })
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
  ): Promise<boolean> {
    const speaker = this.#speaker(message)
    const { id: answers, channelId } = message
    const signal = new AbortController().signal
    const own = await this.#directMessages
      .find(message.client.rest, { userId: inbound.userId, conversationId: conversationIdOf(channelId) }, signal)
      .catch(() => undefined)
    if (own) {
      const { conversationId } = own
      await notePrivateConversation(this.#app.database, { userId: inbound.userId, conversationId })
    }
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
    return speaker.say({ channelId, text, answers, asReply: true })
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
