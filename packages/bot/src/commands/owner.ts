import type { InboundMessage } from '../messaging/message.ts'

/**
 * Whether somebody may do what concerns everybody the bot talks with: the ids in ADMIN_USER_IDS, and whoever sits at the
 * machine. An administrator of one server is none.
 */
export function isOwner(message: InboundMessage, ownerIds: readonly string[]): boolean {
  return ownerIds.includes(message.userId) || (message.isAdmin && message.platform !== 'discord')
}
