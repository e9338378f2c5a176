import { cleanContent, MessageType, PermissionFlagsBits, type Message, type REST } from 'discord.js'
import type { Command } from '../../commands/command.ts'
import type { InboundMessage } from '../../messaging/message.ts'
import { conversationIdOf, userIdOf } from './ids.ts'
import { isMember } from './members.ts'
import { idsForMentions, nameOf, textOf } from './text.ts'

export interface InboundParts {
  readonly botId: string
  readonly prefix: string
  readonly commands: readonly Command[]
  readonly chatChannelIds: readonly string[]
  readonly adminUserIds: readonly string[]
  readonly rest: REST
}

/** A message as the bot takes it; undefined: it is not for the bot. */
export function readMessage(message: Message, parts: InboundParts): InboundMessage | undefined {
  if (message.author.bot || message.webhookId !== null || message.system) return undefined
  if (message.type !== MessageType.Default && message.type !== MessageType.Reply) return undefined
  const said = textOf(message, parts.botId)
  const mentioned = mentionsBot(message, parts.botId)
  const text = asCommand(said, { ...parts, mentioned: mentioned && message.inGuild() })
  const isCommand = text !== undefined
  if (!isCommand && !mentioned && !isChatPlace(message, parts.chatChannelIds)) return undefined
  return {
    messageId: message.id,
    platform: 'discord',
    conversationId: conversationIdOf(message.channelId),
    userId: userIdOf(message.author.id),
    isPrivate: message.channel.isDMBased(),
    displayName: nameOf(message.member?.displayName ?? message.author.displayName),
    // Mentions become names for talk, and ids for commands.
    text: isCommand ? idsForMentions(text) : cleanContent(said, message.channel),
    hasButtons: true,
    ...authorityOf(parts, {
      userId: userIdOf(message.author.id),
      guildId: message.guildId,
      isGuildAdmin: message.member?.permissions.any(ADMIN) ?? false,
    }),
  }
}

const ADMIN = [PermissionFlagsBits.ManageGuild, PermissionFlagsBits.Administrator]

/** Addressed: in private, by name, by the bot's own role, or by an answer to what it said. */
function mentionsBot(message: Message, botId: string): boolean {
  return (
    message.mentions.users.has(botId) ||
    message.mentions.repliedUser?.id === botId ||
    message.mentions.roles.some(role => role.tags?.botId === botId)
  )
}

function isChatPlace(message: Message, chatChannelIds: readonly string[]): boolean {
  if (message.channel.isDMBased()) return true
  const parentId = message.channel.isThread() ? message.channel.parentId : null
  return chatChannelIds.includes(message.channelId) || (parentId !== null && chatChannelIds.includes(parentId))
}

/**
 * The command a text is, with its prefix; undefined: it is talk. Only commands that exist: other bots share the prefix.
 * Behind a mention the prefix may be left out, as long as it cannot be meant as talk.
 */
export function asCommand(
  text: string,
  { prefix, commands, mentioned }: { prefix: string; commands: readonly Command[]; mentioned: boolean },
): string | undefined {
  const hasPrefix = text.startsWith(prefix)
  const [first = '', second = ''] = (hasPrefix ? text.slice(prefix.length) : text).toLowerCase().split(/\s+/)
  const isKnown = commands.some(({ name }) => name === first || name === `${first}_${second}`)
  if (hasPrefix) return isKnown || (mentioned && /^\p{L}/u.test(first)) ? text : undefined
  const isPlain =
    commands.some(({ name }) => name === first) && (first.includes('_') || text.trim().toLowerCase() === first)
  return mentioned && isPlain ? `${prefix}${text}` : undefined
}

/**
 * What somebody may do. An owner may do everything; an administrator of a server reaches its members alone; in private
 * nobody but owners is an administrator.
 */
export function authorityOf(
  { adminUserIds, rest }: Pick<InboundParts, 'adminUserIds' | 'rest'>,
  who: { userId: string; guildId: string | null; isGuildAdmin: boolean },
): Pick<InboundMessage, 'isAdmin' | 'reaches'> {
  if (adminUserIds.includes(who.userId)) return { isAdmin: true }
  const { guildId } = who
  return {
    isAdmin: guildId !== null && who.isGuildAdmin,
    reaches: async userId => userId === who.userId || (guildId !== null && (await isMember(rest, { guildId, userId }))),
  }
}
