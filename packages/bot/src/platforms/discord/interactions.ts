import {
  MessageFlags,
  PermissionFlagsBits,
  type AutocompleteInteraction,
  type ButtonInteraction,
  type ChatInputCommandInteraction,
  type Interaction,
} from 'discord.js'
import type { Job } from 'belfry'
import type { Attachment, Command } from '../../commands/command.ts'
import type { InboundMessage } from '../../messaging/message.ts'
import { readPress } from './buttons.ts'
import { conversationIdOf, userIdOf } from './ids.ts'
import { authorityOf } from './inbound.ts'
import type { DiscordApp, DiscordOptions } from './parts.ts'
import { splitMessage } from './split-message.ts'
import { textOfUse } from './slash-commands.ts'
import { calm, nameOf } from './text.ts'

interface Parts {
  readonly app: DiscordApp
  readonly options: DiscordOptions
}

/** What somebody is told, and the file that goes with it. */
interface Answer {
  readonly text: string
  readonly file?: Attachment
}

type Answerable = ChatInputCommandInteraction | ButtonInteraction

/** Most suggestions [Discord's reference], and recent jobs looked at for them. */
const MOST_CHOICES = 25
const JOBS_LOOKED_AT = 100
const WENT_WRONG = 'Something went wrong on my side; nothing was changed. It is in the log.'
const NOT_MINE = 'That button is not one of mine, or too old for me to know. `/followup_settings` does the same.'

/** Answers slash commands, buttons and what is typed into options: always something, and only to whoever asked. */
export async function handleInteraction(parts: Parts, interaction: Interaction): Promise<void> {
  if (interaction.isAutocomplete()) return suggest(parts, interaction)
  if (interaction.isChatInputCommand()) return answer(parts, interaction, () => runCommand(parts, interaction))
  if (interaction.isButton())
    return answer(parts, interaction, async () => ({ text: await runPress(parts, interaction) }))
}

/** Discord wants a first answer within three seconds; this one says "soon", and only the asker sees what comes. */
async function answer(parts: Parts, interaction: Answerable, work: () => Promise<Answer>): Promise<void> {
  const { logger } = parts.options
  try {
    await interaction.deferReply({ flags: MessageFlags.Ephemeral })
  } catch (error) {
    // Handed in twice, or too late: somebody has answered it, or nobody can any more.
    logger.warn({ event: 'discord_interaction_lost', reason: textOf(error) }, 'an interaction could not be answered')
    return
  }
  const { text, file } = await work().catch((error: unknown): Answer => {
    logger.error({ event: 'discord_interaction_failed', reason: textOf(error) }, 'an interaction failed')
    return { text: WENT_WRONG }
  })
  try {
    const [first = WENT_WRONG, ...more] = splitMessage(calm(text))
    const files = file ? [{ name: file.name, attachment: Buffer.from(file.content) }] : []
    await interaction.editReply({ content: first, files })
    for (const content of more) await interaction.followUp({ content, flags: MessageFlags.Ephemeral })
  } catch (error) {
    logger.warn({ event: 'discord_reply_failed', reason: textOf(error) }, 'an answer could not be sent on Discord')
  }
}

/** A slash command is what somebody would have typed; recorded and answered in the same way. */
async function runCommand({ app, options }: Parts, interaction: ChatInputCommandInteraction): Promise<Answer> {
  const command = app.commands.find(({ name }) => name === interaction.commandName)
  if (!command) return { text: 'I do not know that command any more; Discord will forget it soon.' }
  const valueOf = (option: string) => {
    const value = interaction.options.get(option)?.value
    return value === undefined ? undefined : String(value)
  }
  const text = textOfUse(command, { prefix: options.prefix, valueOf })
  const { reply, aside, attachment } = await app.chat.handle(
    inboundOf({ app, options }, interaction, { command, text }),
  )
  const told = aside ?? reply?.text ?? 'That was answered already.'
  return { text: told, ...(attachment && { file: attachment }) }
}

function inboundOf(
  { options }: Parts,
  interaction: ChatInputCommandInteraction,
  { command, text }: { command: Command; text: string },
): InboundMessage {
  const userId = userIdOf(interaction.user.id)
  const permissions = interaction.memberPermissions
  return {
    messageId: `interaction:${interaction.id}`,
    platform: 'discord',
    conversationId: conversationIdOf(interaction.channelId),
    userId,
    displayName: nameOf(interaction.user.displayName),
    locale: interaction.locale,
    text,
    ...authorityOf(
      { adminUserIds: options.adminUserIds, rest: interaction.client.rest },
      {
        userId,
        guildId: interaction.guildId,
        // Whom Discord offers it to, its server's administrators have decided: no second check.
        isGuildAdmin: command.adminOnly || (permissions?.has(PermissionFlagsBits.ManageGuild) ?? false),
      },
    ),
  }
}

/** Buttons carry nothing but what to do about which row; whose row it is, the row itself says. */
async function runPress({ app }: Parts, interaction: ButtonInteraction): Promise<string> {
  const press = readPress(interaction.customId)
  if (!press || interaction.message.author.id !== interaction.client.user.id) return NOT_MINE
  const userId = userIdOf(interaction.user.id)
  const messageId = `interaction:${interaction.id}`
  if (press.about === 'follow-up') {
    const { action, followUpId } = press
    const conversationId = conversationIdOf(interaction.channelId)
    return app.onAction({ messageId, conversationId, userId, followUpId, action })
  }
  if (press.userId !== userId) return 'That question is for somebody else. `/followup_settings` shows your own choice.'
  if (!app.onConsent) return NOT_MINE
  return app.onConsent({ userId, granted: press.granted, reference: messageId, locale: interaction.locale })
}

/** Ids of recent jobs that begin like what is typed; to those who are no owners, the ones they asked for. */
async function suggest({ app, options }: Parts, interaction: AutocompleteInteraction): Promise<void> {
  const userId = userIdOf(interaction.user.id)
  const typed = interaction.options.getFocused().trim().toLowerCase()
  try {
    const page = await app.scheduler?.admin.listJobs({}, { limit: JOBS_LOOKED_AT })
    const begun = (page?.jobs ?? []).filter(job => job.jobId.toLowerCase().startsWith(typed)).slice(0, MOST_CHOICES)
    const isOwner = options.adminUserIds.includes(userId)
    const mayKnow = await Promise.all(
      begun.map(async job => isOwner || isAskedBy(await app.scheduler?.getJob(job), userId)),
    )
    const choices = begun
      .filter((_, index) => mayKnow[index])
      .map(job => ({
        name: `${job.jobId} · ${job.jobType} · ${job.status}`.slice(0, 100),
        value: job.jobId.slice(0, 100),
      }))
    await interaction.respond(choices)
  } catch (error) {
    options.logger.warn({ event: 'discord_suggest_failed', reason: textOf(error) }, 'no suggestions could be given')
  }
}

function isAskedBy(job: Job | undefined, userId: string): boolean {
  const payload = job?.payload
  return typeof payload === 'object' && payload !== null && 'requestedBy' in payload && payload.requestedBy === userId
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
