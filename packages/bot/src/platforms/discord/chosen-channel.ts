import { Routes, type APIMessage, type REST } from 'discord.js'
import { DeliveryError } from '../../messaging/platform.ts'
import { messagesAfter } from './direct-messages.ts'
import { failureOf } from './failures.ts'
import { snowflakeOf } from './ids.ts'

/** What is read of a channel; one without a server is somebody's direct messages. */
interface Channel {
  readonly guild_id?: string
  readonly last_message_id?: string | null
}

/** A stumble on the way to the channel says nothing of the message: it waits, and spends no retry. */
const AGAIN_MS = 30_000

/**
 * The channel of a server that a person chose for what the bot writes to them, while they are a member there.
 * @throws DeliveryError never `uncertain`: nothing is sent here
 */
export async function findChosenChannel(
  rest: REST,
  { userId, conversationId }: { userId: string; conversationId: string },
  signal: AbortSignal,
): Promise<{ channelId: string; person: string }> {
  const [person, channelId] = [snowflakeOf(userId), snowflakeOf(conversationId)]
  if (person === undefined || channelId === undefined) {
    const text = `expected a person and a channel like discord:123456789012345678; got ${userId}, ${conversationId}`
    throw new DeliveryError('refused', 'not_on_discord', text)
  }
  try {
    const { guild_id: guildId } = (await rest.get(Routes.channel(channelId), { signal })) as Channel
    if (guildId === undefined) throw new DeliveryError('refused', 'unknown_channel', 'that is no channel of a server')
    await rest.get(Routes.guildMember(guildId, person), { signal })
    return { channelId, person }
  } catch (error) {
    const { failure, code, message } = failureOf(error)
    if (failure !== 'uncertain') throw failureOf(error)
    throw new DeliveryError('retry', code, message, { cause: error, retryAfterMs: AGAIN_MS })
  }
}

/**
 * Everything in a channel after an id, oldest first. Whom Discord does not let read the history it answers with nothing,
 * so nothing counts only where the channel's last message is no later; undefined: it cannot be read, or not to its end.
 */
export async function channelMessagesAfter(
  rest: REST,
  { channelId, after }: { channelId: string; after: string },
  signal: AbortSignal,
): Promise<APIMessage[] | undefined> {
  const messages = await messagesAfter(rest, { channelId, after }, signal)
  if (messages?.length !== 0) return messages
  const { last_message_id: last } = (await rest.get(Routes.channel(channelId), { signal })) as Channel
  return last && BigInt(last) > BigInt(after) ? undefined : messages
}
