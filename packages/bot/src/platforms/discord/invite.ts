import { DiscordAPIError, PermissionFlagsBits, REST, Routes } from 'discord.js'

/** What the bot needs in a server, and what it does with it. Nothing else is asked for. */
export const NEEDED_PERMISSIONS = [
  ['View Channel', PermissionFlagsBits.ViewChannel, 'it hears nothing'],
  ['Send Messages', PermissionFlagsBits.SendMessages, 'it cannot answer in channels'],
  ['Send Messages in Threads', PermissionFlagsBits.SendMessagesInThreads, 'it cannot answer in threads'],
  ['Embed Links', PermissionFlagsBits.EmbedLinks, 'its answers are plain text'],
  ['Read Message History', PermissionFlagsBits.ReadMessageHistory, 'its answers are not shown as replies'],
] as const

/** The bits of all of them. */
export const PERMISSION_BITS = NEEDED_PERMISSIONS.reduce((bits, [, bit]) => bits | bit, 0n)

/** Where an application's API is reached, and with what. */
export interface DiscordAccess {
  readonly token: string
  readonly apiBaseUrl: string
}

/** Requests outside the running bot: a few, not tried again. */
export function restOf({ token, apiBaseUrl }: DiscordAccess): REST {
  return new REST({ api: apiBaseUrl.replace(/\/$/, ''), retries: 0, timeout: 10_000 }).setToken(token)
}

/** The link by which somebody who manages a server brings the bot into it. */
export function inviteLinkOf(applicationId: string): string {
  const query = new URLSearchParams({
    client_id: applicationId,
    scope: 'bot applications.commands',
    permissions: String(PERMISSION_BITS),
  })
  return `https://discord.com/oauth2/authorize?${query.toString()}`
}

/** Why Discord could not be asked, and what to do about it. */
export function accessTrouble(error: unknown): string {
  if (error instanceof DiscordAPIError && error.status === 401)
    return 'Discord refuses the token. Make a new one (developer portal, Bot, Reset Token) and set DISCORD_TOKEN'
  return `Discord cannot be asked: ${sayTrouble(error)}. Look at the network, and at DISCORD_API_BASE_URL`
}

/** An error's first line. */
export function sayTrouble(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
}

/** Asks Discord who the bot is. @throws what Discord answers */
export async function inviteLink(access: DiscordAccess): Promise<string> {
  const { id } = (await restOf(access).get(Routes.currentApplication())) as { id: string }
  return inviteLinkOf(id)
}
