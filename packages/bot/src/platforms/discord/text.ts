import type { Message } from 'discord.js'

/** Longest name that is taken over. */
const LONGEST_NAME = 64

/** What a message says to the bot: without the mention that only addresses it. */
export function textOf(message: Message, botId: string): string {
  const text = withoutAddress(message.content, botId)
  if (text !== '') return text
  if (message.attachments.size > 0 || message.stickers.size > 0) return '(an attachment without words)'
  // Just a mention: somebody wants to be spoken to.
  return message.content === '' ? '' : 'hello'
}

export function withoutAddress(text: string, botId: string): string {
  return text.replaceAll(new RegExp(`<@!?${botId}>`, 'g'), ' ').trim()
}

/** Mentions of people as commands take them: by id. */
export function idsForMentions(text: string): string {
  return text.replaceAll(/<@!?(\d{15,21})>/g, 'discord:$1')
}

/** A name as it may stand in a text: no control characters, nothing that turns the direction of writing. */
export function nameOf(name: string): string {
  const plain = name.replaceAll(/[\p{Cc}\p{Cf}]/gu, '').trim()
  return Array.from(plain).slice(0, LONGEST_NAME).join('') || 'friend'
}

const INVITE = /(?:https?:\/\/)?(?:www\.)?discord(?:app)?\.(?:gg|com\/invite)\/[\w-]+/gi

/**
 * A reply as it may be shown. That nobody is rung is a setting of each message; this takes away the sight of it, since a
 * model writes what people made it write.
 */
export function calm(text: string): string {
  return text
    .replaceAll(/@(everyone|here)/g, '@\u200B$1')
    .replaceAll(/<@&\d+>/g, '@role')
    .replaceAll(INVITE, '(an invite)')
}
