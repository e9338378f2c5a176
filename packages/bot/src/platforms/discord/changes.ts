import { GatewayDispatchEvents } from 'discord.js'
import { changeTurn, takeBackTurns } from '../../memory/conversation-store.ts'
import { conversationIdOf } from './ids.ts'
import type { DiscordApp } from './parts.ts'
import { withoutAddress } from './text.ts'

/** An event as it came, before the library looked at it: it drops changes of messages it has not kept. */
export interface RawEvent {
  readonly t: string | null
  readonly d: unknown
}

interface RawMessage {
  readonly id: string
  readonly channel_id: string
  readonly content?: string
  readonly nonce?: string | number
  readonly edited_timestamp?: string | null
  readonly author?: { readonly id: string }
}

/** What a raw event means for what the bot remembers; everything else comes through the library. */
export async function followRawEvent(
  { app, botId }: { app: DiscordApp; botId: string | undefined },
  event: RawEvent,
): Promise<void> {
  if (event.t === GatewayDispatchEvents.MessageCreate) {
    const message = event.d as RawMessage
    const nonce = String(message.nonce ?? '')
    // Follow-ups alone have such a nonce; answers have one of their own shape.
    if (message.author?.id === botId && /^[\w-]{16,25}$/.test(nonce)) {
      await app.onOwnMessage({
        nonce,
        platformMessageId: message.id,
        conversationId: conversationIdOf(message.channel_id),
      })
    }
  }
  if (event.t === GatewayDispatchEvents.MessageUpdate) {
    const message = event.d as RawMessage
    // Without the intent the content of others is blank: that is no change of theirs.
    const text = withoutAddress(message.content ?? '', botId ?? '')
    if (!message.edited_timestamp || message.author?.id === botId || text === '') return
    await changeTurn(app.database, {
      conversationId: conversationIdOf(message.channel_id),
      messageId: message.id,
      text,
    })
  }
  if (event.t === GatewayDispatchEvents.MessageDelete) {
    const { id, channel_id } = event.d as RawMessage
    await takeBackTurns(app.database, { conversationId: conversationIdOf(channel_id), messageIds: [id] })
  }
  if (event.t === GatewayDispatchEvents.MessageDeleteBulk) {
    const { ids, channel_id } = event.d as { ids: string[]; channel_id: string }
    await takeBackTurns(app.database, { conversationId: conversationIdOf(channel_id), messageIds: ids })
  }
}
