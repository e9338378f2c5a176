import type { InteractionAnswer, LiveInteraction } from './interactions.ts'
import { messageObject } from './objects.ts'
import type { FakeDiscordParts, Route } from './parts.ts'
import { refusal, Refusal, type Json } from './refusals.ts'
import { callback, interactionMessage, parse, type Callback, type InteractionMessage } from './shapes.ts'
import type { FakeMessage } from './world.ts'

const EPHEMERAL = 1 << 6
/** An interaction wants its first answer within this, and dies after that, in milliseconds. */
export const ANSWER_WITHIN_MS = 3_000
const LIVES_MS = 15 * 60_000

export const ANSWER_INTERACTION = 'POST /interactions/:interaction/:token/callback'

/** First answers, answers that follow, edits of both. No nonce here: Discord knows none for interactions. */
export function interactionRoutes(parts: FakeDiscordParts): Route[] {
  const { world, interactions } = parts
  const alive = (token: string | undefined): LiveInteraction => {
    const live = interactions.byToken(token ?? '')
    if (!live) throw refusal(10_015)
    if (world.now() - live.at > LIVES_MS) throw refusal(50_027)
    if (live.acknowledged === undefined) throw refusal(10_015)
    return live
  }
  return [
    {
      name: ANSWER_INTERACTION,
      withoutToken: true,
      run: ({ params, query, body }) => {
        const live = interactions.byToken(params['token'] ?? '')
        if (!live || live.id !== params['interaction']) throw refusal(10_062)
        if (live.acknowledged !== undefined) throw refusal(40_060)
        if (world.now() - live.at > ANSWER_WITHIN_MS) throw refusal(10_062)
        const answer = parse(callback, body)
        mustFit(live, answer)
        const message = acknowledge(parts, live, answer)
        if (query.get('with_response') !== 'true') return { status: 204 }
        return { status: 200, body: responseObject(parts, live, message) }
      },
    },
    {
      name: 'POST /webhooks/:application/:token',
      withoutToken: true,
      run: ({ params, body }) => {
        const live = alive(params['token'])
        const said = parse(interactionMessage, body)
        mustSaySomething(said)
        // The first message after a deferral is the answer itself, and as private as the deferral said.
        const first = live.acknowledged === 5 && live.originalId === undefined
        const ephemeral = first ? live.ephemeral : ((said.flags ?? 0) & EPHEMERAL) !== 0
        const message = addMessage(parts, live, { said, ephemeral })
        if (first) live.originalId = message.id
        live.show(shown('follow-up', said, message))
        return { status: 200, body: messageObject(world, message) }
      },
    },
    {
      name: 'GET /webhooks/:application/:token/messages/:message',
      withoutToken: true,
      run: ({ params }) => ({
        status: 200,
        body: messageObject(world, messageOf(parts, alive(params['token']), params['message'])),
      }),
    },
    {
      name: 'PATCH /webhooks/:application/:token/messages/:message',
      withoutToken: true,
      run: ({ params, body }) => {
        const live = alive(params['token'])
        const said = parse(interactionMessage, body)
        if (params['message'] === '@original' && live.originalId === undefined) {
          if (live.acknowledged !== 5) throw refusal(10_008)
          mustSaySomething(said)
          live.originalId = addMessage(parts, live, { said, ephemeral: live.ephemeral }).id
        }
        const message = messageOf(parts, live, params['message'])
        change(message, said)
        live.show(shown('edit', said, message))
        return { status: 200, body: messageObject(world, message) }
      },
    },
    {
      name: 'DELETE /webhooks/:application/:token/messages/:message',
      withoutToken: true,
      run: ({ params }) => {
        messageOf(parts, alive(params['token']), params['message']).deleted = true
        return { status: 204 }
      },
    },
  ]
}

/** @throws 400 when this kind of answer is none to this kind of interaction */
function mustFit(live: LiveInteraction, answer: Callback): void {
  const fits =
    live.type === 4 ? answer.type === 8 : live.type === 3 ? answer.type !== 8 : answer.type === 4 || answer.type === 5
  if (!fits) throw new Refusal(400, { code: 50_035, message: 'Invalid Form Body', errors: { type: 'INVALID' } })
}

function acknowledge(parts: FakeDiscordParts, live: LiveInteraction, answer: Callback): FakeMessage | undefined {
  if (answer.type === 4 || answer.type === 7) mustSaySomething(answer.data)
  live.acknowledged = answer.type
  switch (answer.type) {
    case 4: {
      const ephemeral = ((answer.data.flags ?? 0) & EPHEMERAL) !== 0
      const message = addMessage(parts, live, { said: answer.data, ephemeral })
      live.originalId = message.id
      live.show(shown('message', answer.data, message))
      return message
    }
    case 5:
      live.ephemeral = ((answer.data?.flags ?? 0) & EPHEMERAL) !== 0
      return undefined
    case 6:
      live.originalId = live.messageId
      return undefined
    case 7: {
      live.originalId = live.messageId
      const message = messageOf(parts, live, '@original')
      change(message, answer.data)
      live.show(shown('update', answer.data, message))
      return message
    }
    case 8:
      live.show({
        kind: 'choices',
        content: '',
        ephemeral: true,
        messageId: undefined,
        embeds: [],
        components: [],
        choices: answer.data.choices,
      })
      return undefined
  }
}

function mustSaySomething(said: InteractionMessage): void {
  const something = said.content?.trim() || said.embeds?.length || said.components?.length
  if (!something) throw refusal(50_006)
}

function addMessage(
  { world }: FakeDiscordParts,
  live: LiveInteraction,
  { said, ephemeral }: { said: InteractionMessage; ephemeral: boolean },
): FakeMessage {
  const channel = world.channels.get(live.channelId)
  if (!channel) throw refusal(10_003)
  const content = said.content ?? ''
  // Interactions parse users alone unless told otherwise.
  const allowed = said.allowed_mentions ?? { parse: ['users'] }
  return world.addMessage({
    channelId: live.channelId,
    authorId: world.bot.id,
    content,
    nonce: undefined,
    embeds: said.embeds ?? [],
    components: said.components ?? [],
    flags: ephemeral ? EPHEMERAL : 0,
    pings: ephemeral ? [] : world.pingsOf({ content, authorId: world.bot.id, channel, allowed }),
    replyTo: undefined,
    interactionId: live.id,
  })
}

/** What is left out stays; what is emptied is gone. @throws 50006 when nothing would be left */
function change(message: FakeMessage, said: InteractionMessage): void {
  const left = {
    content: said.content === undefined ? message.content : (said.content ?? ''),
    embeds: said.embeds === undefined ? message.embeds : (said.embeds ?? []),
    components: said.components === undefined ? message.components : (said.components ?? []),
  }
  if (left.content.trim() === '' && left.embeds.length === 0 && left.components.length === 0) throw refusal(50_006)
  Object.assign(message, left)
}

function messageOf({ world }: FakeDiscordParts, live: LiveInteraction, id: string | undefined): FakeMessage {
  const message = world.messages.get((id === '@original' ? live.originalId : id) ?? '')
  if (!message || message.deleted) throw refusal(10_008)
  return message
}

function shown(kind: InteractionAnswer['kind'], said: InteractionMessage, message: FakeMessage): InteractionAnswer {
  return {
    kind,
    content: said.content ?? '',
    ephemeral: (message.flags & EPHEMERAL) !== 0,
    messageId: message.id,
    embeds: said.embeds ?? [],
    components: said.components ?? [],
    choices: [],
  }
}

function responseObject({ world }: FakeDiscordParts, live: LiveInteraction, message: FakeMessage | undefined): Json {
  return {
    interaction: {
      id: live.id,
      type: live.type,
      response_message_id: message?.id,
      response_message_loading: live.acknowledged === 5,
      response_message_ephemeral: ((message?.flags ?? 0) & EPHEMERAL) !== 0,
    },
    ...(message && { resource: { type: live.acknowledged, message: messageObject(world, message) } }),
  }
}
