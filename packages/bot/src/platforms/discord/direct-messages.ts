import { ChannelType, Routes, type APIChannel, type APIMessage, type REST } from 'discord.js'
import { DeliveryError } from '../../messaging/platform.ts'
import { failureOf } from './failures.ts'
import { conversationIdOf, snowflakeOf } from './ids.ts'

/** Most messages Discord gives at once. */
const PAGE = 100
/** Pages read before a conversation counts as unreadable: five hundred since an attempt are no talk of two. */
const MOST_PAGES = 5

/** A stumble on the way to the channel says nothing of the message: it waits, and spends no retry. */
const AGAIN_MS = 30_000

/** A person's direct-message channel. */
export interface DirectMessage {
  readonly channelId: string
  readonly conversationId: string
}

/** Who is meant, where they talked last, and their own conversation with the bot where it is known. */
export interface Whom {
  readonly userId: string
  readonly conversationId: string
  readonly privateConversationId?: string | undefined
}

/**
 * The channel of one's direct messages with a person: the one they talked in, if that was one; else Discord is asked for
 * it. Never a channel others read: what was planned for one person stays with them.
 * @throws DeliveryError never `uncertain`: nothing is sent here
 */
export class DirectMessages {
  readonly #channels = new Map<string, string>()

  async find(
    rest: REST,
    { userId, conversationId, privateConversationId }: Whom,
    signal: AbortSignal,
  ): Promise<DirectMessage> {
    const person = snowflakeOf(userId)
    if (person === undefined) {
      throw new DeliveryError(
        'refused',
        'not_on_discord',
        `expected an id like discord:123456789012345678; got ${userId}`,
      )
    }
    const known = this.#channels.get(person) ?? snowflakeOf(privateConversationId ?? '')
    const channelId = known ?? (await this.#ask(rest, { person, talkedIn: snowflakeOf(conversationId) }, signal))
    this.#channels.set(person, channelId)
    return { channelId, conversationId: conversationIdOf(channelId) }
  }

  async #ask(
    rest: REST,
    { person, talkedIn }: { person: string; talkedIn: string | undefined },
    signal: AbortSignal,
  ): Promise<string> {
    try {
      if (talkedIn !== undefined && (await isDirectMessageWith(rest, { channelId: talkedIn, person }, signal)))
        return talkedIn
      const opened = (await rest.post(Routes.userChannels(), { body: { recipient_id: person }, signal })) as APIChannel
      return opened.id
    } catch (error) {
      const failure = failureOf(error)
      if (failure.failure !== 'uncertain') throw failure
      throw new DeliveryError('retry', failure.code, failure.message, { cause: error, retryAfterMs: AGAIN_MS })
    }
  }
}

async function isDirectMessageWith(
  rest: REST,
  { channelId, person }: { channelId: string; person: string },
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const channel = (await rest.get(Routes.channel(channelId), { signal })) as APIChannel
    return channel.type === ChannelType.DM && (channel.recipients ?? []).some(({ id }) => id === person)
  } catch (error) {
    // A channel that is gone or closed to the bot is certainly no direct message of theirs.
    const { code } = failureOf(error)
    if (code === 'unknown_channel' || code === 'missing_access') return false
    throw error
  }
}

/** Everything in a channel after an id, oldest first; undefined when there is more than can be looked through. */
export async function messagesAfter(
  rest: REST,
  { channelId, after }: { channelId: string; after: string },
  signal?: AbortSignal,
): Promise<APIMessage[] | undefined> {
  const found: APIMessage[] = []
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const query = new URLSearchParams({ after: found.at(-1)?.id ?? after, limit: String(PAGE) })
    const messages = (await rest.get(Routes.channelMessages(channelId), {
      query,
      ...(signal && { signal }),
    })) as APIMessage[]
    found.push(...messages.toReversed())
    if (messages.length < PAGE) return found
  }
  return undefined
}
