import {
  MessageFlags,
  PermissionFlagsBits,
  type ButtonInteraction,
  type ChatInputCommandInteraction,
  type Interaction,
} from 'discord.js'
import type { CommandAnswer } from '../../commands/command.ts'
import { findCommand } from '../../commands/dispatch-command.ts'
import type { InboundMessage } from '../../messaging/message.ts'
import { voiceOf } from '../../messaging/voice.ts'
import { readPress, type Press } from './buttons.ts'
import type { CommandButtons, CommandPress } from './command-buttons.ts'
import { isNeverHeldUp, TOO_FAST, type CommandPace } from './command-pace.ts'
import { conversationIdOf, userIdOf } from './ids.ts'
import { authorityOf } from './inbound.ts'
import { layOut } from './laid-out.ts'
import { SeenMembers } from './members.ts'
import type { DiscordApp, DiscordOptions } from './parts.ts'
import { splitMessage } from './split-message.ts'
import { textOfUse, usedCommand } from './slash-commands.ts'
import { suggest } from './suggestions.ts'
import { calm, nameOf } from './text.ts'

interface Parts {
  readonly app: DiscordApp
  readonly options: DiscordOptions
  readonly pace: CommandPace
  readonly buttons: CommandButtons
}

type Answerable = ChatInputCommandInteraction | ButtonInteraction
/** What somebody is told. */
type Told = Pick<CommandAnswer, 'text' | 'card' | 'buttons' | 'attachment'>

const WENT_WRONG = 'Something went wrong on my side; nothing was changed. It is in the log.'
const NOT_MINE = 'That button is not one of mine, or too old for me to know. `/followup_settings` does the same.'
const DONE_ALREADY = 'That was answered already.'

/** Answers slash commands, buttons and what is typed into options: always something, unless it comes in a flood. */
export class Interactions {
  readonly #parts: Parts
  readonly #seen: SeenMembers

  constructor(parts: Parts) {
    this.#parts = parts
    this.#seen = new SeenMembers(parts.options.clock)
  }

  async handle(interaction: Interaction): Promise<void> {
    if (interaction.isAutocomplete()) return suggest({ ...this.#parts, seen: this.#seen }, interaction)
    if (interaction.isChatInputCommand()) return this.#command(interaction)
    if (interaction.isButton()) return this.#button(interaction)
  }

  /** A slash command is what somebody would have typed; recorded and answered in the same way. */
  async #command(interaction: ChatInputCommandInteraction): Promise<void> {
    const { app, options } = this.#parts
    const used = usedCommand(app.commands, {
      name: interaction.commandName,
      subcommand: interaction.options.getSubcommand(false) ?? undefined,
    })
    if (!used) {
      const text = 'I do not know that command any more; Discord will forget it soon.'
      return this.#answer(interaction, () => Promise.resolve({ text }))
    }
    const valueOf = (option: string) => {
      const value = interaction.options.get(option)?.value
      return value === undefined ? undefined : String(value)
    }
    const text = textOfUse(used, { prefix: options.prefix, valueOf })
    if (await this.#isHeldUp(interaction, text)) return
    return this.#answer(interaction, async () => {
      const messageId = `interaction:${interaction.id}`
      const told = await this.#say(interaction, { messageId, text, isOffered: used.command.adminOnly })
      return told ?? { text: DONE_ALREADY }
    })
  }

  async #button(interaction: ButtonInteraction): Promise<void> {
    const isMine = interaction.message.author.id === interaction.client.user.id
    const press = isMine ? readPress(interaction.customId) : undefined
    if (press) return this.#answer(interaction, async () => ({ text: await this.#pressFollowUp(interaction, press) }))
    const command = isMine ? this.#parts.buttons.read(interaction.customId, interaction.channelId) : undefined
    const refusal = command ? this.#refusal(interaction, command) : NOT_MINE
    if (refusal !== undefined) return this.#answer(interaction, () => Promise.resolve({ text: refusal }))
    if (command) return this.#pressCommand(interaction, command)
  }

  /** Why a button does nothing for whoever presses it. */
  #refusal(interaction: ButtonInteraction, { invoker, until, says }: CommandPress): string | undefined {
    const { options } = this.#parts
    if (invoker !== interaction.user.id) return 'These buttons are for whoever asked. Use the command yourself.'
    const now = options.clock.now()
    if (now <= until) return undefined
    const [command = ''] = says.split(' ')
    const { when } = voiceOf('discord', now)
    return `That button could be pressed until ${when(until)}; nothing was changed. Use the command again: \`${options.prefix}${command}\`.`
  }

  /** Does what a button of a command says, once, and shows what came of it in place of the message it stood under. */
  async #pressCommand(interaction: ButtonInteraction, { kind, says }: CommandPress): Promise<void> {
    const { app, options } = this.#parts
    const text = `${options.prefix}${says}`
    if (await this.#isHeldUp(interaction, text)) return
    const isTaken = await this.#acknowledge(() => interaction.deferUpdate())
    if (!isTaken) return
    // One of the buttons of a decision counts, however often and however many of them are pressed.
    const messageId = kind === 'decide' ? `press:${interaction.message.id}` : `interaction:${interaction.id}`
    const isOffered = findCommand(app.commands, says.split(' ')).command?.adminOnly ?? false
    try {
      const told = await this.#say(interaction, { messageId, text, isOffered })
      if (told) await this.#show(interaction, told)
    } catch (error) {
      this.#log('error', 'discord_interaction_failed', error)
      await interaction.followUp({ content: WENT_WRONG, flags: MessageFlags.Ephemeral }).catch(() => {})
    }
  }

  /** Buttons carry nothing but what to do about which row; whose row it is, the row itself says. */
  async #pressFollowUp(interaction: ButtonInteraction, press: Press): Promise<string> {
    const { app } = this.#parts
    const userId = userIdOf(interaction.user.id)
    const messageId = `interaction:${interaction.id}`
    if (press.about === 'follow-up') {
      const { action, followUpId } = press
      const conversationId = conversationIdOf(interaction.channelId)
      return app.onAction({ messageId, conversationId, userId, followUpId, action })
    }
    if (press.userId !== userId)
      return 'That question is for somebody else. `/followup_settings` shows your own choice.'
    if (!app.onConsent) return NOT_MINE
    return app.onConsent({ userId, granted: press.granted, reference: messageId, locale: interaction.locale })
  }

  /** Has a command answered. Undefined: it was answered before. */
  async #say(
    interaction: Answerable,
    { isOffered, ...said }: { messageId: string; text: string; isOffered: boolean },
  ): Promise<Told | undefined> {
    const { app, options } = this.#parts
    const userId = userIdOf(interaction.user.id)
    const message: InboundMessage = {
      ...said,
      platform: 'discord',
      conversationId: conversationIdOf(interaction.channelId),
      userId,
      displayName: nameOf(interaction.user.displayName),
      locale: interaction.locale,
      isPrivate: interaction.guildId === null,
      hasButtons: true,
      ...authorityOf(
        { adminUserIds: options.adminUserIds, rest: interaction.client.rest },
        {
          userId,
          guildId: interaction.guildId,
          // Whom Discord offers it to, its server's administrators have decided: no second check.
          isGuildAdmin: isOffered || (interaction.memberPermissions?.has(PermissionFlagsBits.ManageGuild) ?? false),
        },
      ),
    }
    const { reply, aside, ...more } = await app.chat.handle(message)
    const text = aside ?? reply?.text
    return text === undefined ? undefined : { ...more, text }
  }

  /** Too many commands at once: told once, and after that nothing. */
  async #isHeldUp(interaction: Answerable, text: string): Promise<boolean> {
    const { pace, options } = this.#parts
    if (isNeverHeldUp(text, options.prefix)) return false
    const verdict = pace.take(userIdOf(interaction.user.id))
    if (verdict === 'tell') {
      const told = { content: TOO_FAST, flags: MessageFlags.Ephemeral } as const
      await this.#acknowledge(() => interaction.reply(told))
    }
    return verdict !== 'pass'
  }

  /** Discord wants a first answer within three seconds; this one says "soon", and only the asker sees what comes. */
  async #answer(interaction: Answerable, work: () => Promise<Told>): Promise<void> {
    const isTaken = await this.#acknowledge(() => interaction.deferReply({ flags: MessageFlags.Ephemeral }))
    if (!isTaken) return
    const told = await work().catch((error: unknown): Told => {
      this.#log('error', 'discord_interaction_failed', error)
      return { text: WENT_WRONG }
    })
    await this.#show(interaction, told)
  }

  /** False when it was handed in twice, or too late: somebody has answered it, or nobody can any more. */
  async #acknowledge(answer: () => Promise<unknown>): Promise<boolean> {
    try {
      await answer()
      return true
    } catch (error) {
      this.#log('warn', 'discord_interaction_lost', error)
      return false
    }
  }

  /** Writes the answer where it was promised, or in place of the message whose button was pressed. */
  async #show(interaction: Answerable, told: Told): Promise<void> {
    const { buttons: maker, options } = this.#parts
    const { embed, buttons = [] } = layOut(told, {
      maker,
      invoker: interaction.user.id,
      channelId: interaction.channelId,
      now: options.clock.now(),
      mayEmbed: interaction.appPermissions.has(PermissionFlagsBits.EmbedLinks),
    })
    const file = told.attachment
    const files = file ? [{ name: file.name, attachment: Buffer.from(file.content) }] : []
    const [first = WENT_WRONG, ...more] = embed ? [''] : splitMessage(calm(told.text))
    try {
      await interaction.editReply({ content: first, embeds: embed ? [embed] : [], components: buttons, files })
      for (const content of more) await interaction.followUp({ content, flags: MessageFlags.Ephemeral })
    } catch (error) {
      this.#log('warn', 'discord_reply_failed', error)
    }
  }

  #log(level: 'warn' | 'error', event: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error)
    this.#parts.options.logger[level]({ event, reason }, 'trouble with an interaction on Discord')
  }
}
