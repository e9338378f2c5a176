import { customIdsOf, messageEdit, newMessage, openDm, parse, type NewMessage } from './shapes.ts'
import type { FakeDiscordParts, Route } from './parts.ts'
import type { JournalEntry } from './records.ts'
import { channelObject, messageObject, needsContentIntent } from './objects.ts'
import { invalidForm, refusal, type Json } from './refusals.ts'
import { Permission, type FakeChannel, type FakeMessage } from './world.ts'

export const CREATE_MESSAGE = 'POST /channels/:channel/messages'
export const OPEN_DM = 'POST /users/@me/channels'
export const READ_MESSAGES = 'GET /channels/:channel/messages'

const SUPPRESS_NOTIFICATIONS = 1 << 12

/** Messages, their channels, typing. */
export function messageRoutes(parts: FakeDiscordParts): Route[] {
  const { world, gateway } = parts
  return [
    {
      name: OPEN_DM,
      run: ({ body }) => {
        const { recipient_id: id } = parse(openDm, body)
        const user = world.users.get(id)
        if (!user) throw refusal(50_033)
        if (user.bot) throw refusal(50_007)
        return { status: 200, body: channelObject(world, world.dmWith(id)) }
      },
    },
    {
      name: 'GET /channels/:channel',
      run: ({ params }) => ({ status: 200, body: channelObject(world, world.visibleChannel(params['channel'] ?? '')) }),
    },
    {
      name: 'POST /channels/:channel/typing',
      run: ({ params }) => {
        const channel = world.visibleChannel(params['channel'] ?? '')
        mustSend(parts, channel)
        parts.typing.push(channel.id)
        return { status: 204 }
      },
    },
    {
      name: CREATE_MESSAGE,
      run: ({ params, body }) => {
        const channel = world.visibleChannel(params['channel'] ?? '')
        return { status: 200, body: createMessage(parts, channel, parse(newMessage, body)) }
      },
    },
    {
      name: READ_MESSAGES,
      run: ({ params, query }) => {
        const channel = world.visibleChannel(params['channel'] ?? '')
        return { status: 200, body: history(parts, channel, query) }
      },
    },
    {
      name: 'GET /channels/:channel/messages/:message',
      run: ({ params }) => {
        const channel = world.visibleChannel(params['channel'] ?? '')
        if (!(world.permissions(world.bot.id, channel) & Permission.readMessageHistory)) throw refusal(50_001)
        return { status: 200, body: shown(parts, world.messageIn(channel, params['message'] ?? '')) }
      },
    },
    {
      name: 'PATCH /channels/:channel/messages/:message',
      run: ({ params, body }) => {
        const message = world.messageIn(world.visibleChannel(params['channel'] ?? ''), params['message'] ?? '')
        if (message.authorId !== world.bot.id) throw refusal(50_005)
        const edit = parse(messageEdit, body)
        if (edit.content !== undefined && edit.content !== null) message.content = edit.content
        if (edit.components) message.components = edit.components
        if (edit.embeds) message.embeds = edit.embeds
        message.editedAt = world.now()
        gateway.message('MESSAGE_UPDATE', message)
        return { status: 200, body: messageObject(world, message) }
      },
    },
    {
      name: 'DELETE /channels/:channel/messages/:message',
      run: ({ params }) => {
        const message = world.messageIn(world.visibleChannel(params['channel'] ?? ''), params['message'] ?? '')
        if (message.authorId !== world.bot.id) throw refusal(50_013)
        message.deleted = true
        gateway.deletion(message)
        return { status: 204 }
      },
    },
  ]
}

/** @throws 50007, 50278, 50013 */
function mustSend({ world }: FakeDiscordParts, channel: FakeChannel): void {
  if (channel.type === 1) {
    const recipient = world.users.get(channel.recipientId ?? '')
    if (!recipient || !world.haveMutualGuild(recipient.id)) throw refusal(50_278)
    if (recipient.dmsClosed) throw refusal(50_007)
    return
  }
  const needed = channel.type === 11 ? Permission.sendMessagesInThreads : Permission.sendMessages
  if (!(world.permissions(world.bot.id, channel) & needed)) throw refusal(50_013)
}

function createMessage(parts: FakeDiscordParts, channel: FakeChannel, body: NewMessage): Json {
  const { world } = parts
  const nonce = body.nonce ?? undefined
  if (body.enforce_nonce && nonce !== undefined) {
    const known = parts.nonces.find(nonce)
    if (known?.deleted) throw refusal(10_008)
    if (known) return { ...messageObject(world, known), nonce }
  }
  mustSend(parts, channel)
  mustSaySomething(body)
  const permissions = world.permissions(world.bot.id, channel)
  const replyTo = referenceOf(parts, channel, body)
  if (replyTo !== undefined && !(permissions & Permission.readMessageHistory)) throw refusal(160_002)
  // White space around it is taken away.
  const content = (body.content ?? '').trim()
  const pings = world.pingsOf({ content, authorId: world.bot.id, channel, allowed: body.allowed_mentions })
  const answered = world.messages.get(replyTo ?? '')
  const ringsAnswered = body.allowed_mentions ? body.allowed_mentions.replied_user === true : true
  if (answered && ringsAnswered && !pings.includes(answered.authorId)) pings.push(answered.authorId)
  const message = world.addMessage({
    channelId: channel.id,
    authorId: world.bot.id,
    content,
    nonce,
    // Without the permission Discord drops embeds without a word.
    embeds: permissions & Permission.embedLinks ? (body.embeds ?? []) : [],
    components: body.components ?? [],
    flags: body.flags ?? 0,
    pings,
    replyTo,
    interactionId: undefined,
  })
  if (nonce !== undefined) parts.nonces.remember(nonce, message)
  parts.journal.push(entryOf(message))
  parts.gateway.message('MESSAGE_CREATE', message)
  return { ...messageObject(world, message), nonce }
}

function mustSaySomething(body: Pick<NewMessage, 'content' | 'embeds' | 'components' | 'sticker_ids'>): void {
  const something = body.content?.trim() || body.embeds?.length || body.components?.length || body.sticker_ids?.length
  if (!something) throw refusal(50_006)
}

function referenceOf({ world }: FakeDiscordParts, channel: FakeChannel, body: NewMessage): string | undefined {
  const reference = body.message_reference
  if (!reference) return undefined
  const message = world.messages.get(reference.message_id)
  if (message && !message.deleted && message.channelId === channel.id) return message.id
  if (reference.fail_if_not_exists === false) return undefined
  throw invalidForm([
    { path: ['message_reference'], code: 'MESSAGE_REFERENCE_UNKNOWN_MESSAGE', message: 'Unknown message' },
  ])
}

/** Newest first; without the permission to read history Discord answers an empty list, not an error. */
function history(parts: FakeDiscordParts, channel: FakeChannel, query: URLSearchParams): Json[] {
  const { world } = parts
  const limit = Number(query.get('limit') ?? 50)
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) {
    throw invalidForm([{ path: ['limit'], code: 'NUMBER_TYPE_MAX', message: 'int value should be from 1 to 100.' }])
  }
  const [before, after, around] = ['before', 'after', 'around'].map(name => query.get(name))
  if ([before, after, around].filter(Boolean).length > 1) {
    throw invalidForm([
      { path: ['before'], code: 'BASE_TYPE_INVALID', message: 'before, after and around exclude each other.' },
    ])
  }
  if (!(world.permissions(world.bot.id, channel) & Permission.readMessageHistory)) return []
  const all = [...world.messages.values()].filter(each => each.channelId === channel.id && !each.deleted)
  const id = (message: FakeMessage) => BigInt(message.id)
  // The oldest ones after a point, the newest before it, and half of each around it; always newest first.
  const chosen = after
    ? all.filter(each => id(each) > BigInt(after)).slice(0, limit)
    : before
      ? all.filter(each => id(each) < BigInt(before)).slice(-limit)
      : around
        ? [
            ...all.filter(each => id(each) < BigInt(around)).slice(-Math.floor(limit / 2)),
            ...all.filter(each => id(each) >= BigInt(around)).slice(0, Math.ceil(limit / 2)),
          ]
        : all.slice(-limit)
  return chosen.toReversed().map(message => shown(parts, message))
}

/** REST gives content by the application's own switch for the intent; never the nonce, which is not documented for history. */
function shown({ world, application }: FakeDiscordParts, message: FakeMessage): Json {
  return messageObject(world, message, needsContentIntent(world, message) && !application.messageContent)
}

function entryOf(message: FakeMessage): JournalEntry {
  return {
    at: message.at,
    messageId: message.id,
    channelId: message.channelId,
    content: message.content,
    nonce: message.nonce,
    pings: message.pings,
    customIds: customIdsOf(message.components as NonNullable<NewMessage['components']>),
    embeds: message.embeds,
    replyTo: message.replyTo,
    silent: (message.flags & SUPPRESS_NOTIFICATIONS) !== 0,
  }
}
