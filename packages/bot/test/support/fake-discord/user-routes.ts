import { channelObject, messageObject, userObject } from './objects.ts'
import type { Answer, Call } from './parts.ts'
import { refusal } from './refusals.ts'
import type { FakeChannel, FakeMessage, FakeUser, World } from './world.ts'

/** What a person's own program may ask for here; enough to talk to a bot from outside. */
export interface UserRoute {
  readonly name: string
  run(call: Call, person: FakeUser): Answer
}

export interface UserRouteParts {
  readonly world: World
  readonly say: (author: FakeUser, channel: FakeChannel, content: string) => FakeMessage
}

/** Who they are, their direct messages with the bot, what is said there and in channels they see. */
export function userRoutes({ world, say }: UserRouteParts): UserRoute[] {
  const channelOf = (id: string | undefined, person: FakeUser): FakeChannel => {
    const channel = world.channels.get(id ?? '')
    if (!channel || world.permissions(person.id, channel) === 0n) throw refusal(50_001)
    return channel
  }
  return [
    { name: 'GET /users/@me', run: (_, person) => ({ status: 200, body: userObject(person) }) },
    {
      name: 'POST /users/@me/channels',
      run: ({ body }, person) => {
        const { recipients = [] } = body as { recipients?: string[] }
        if (recipients.length !== 1 || recipients[0] !== world.bot.id) throw refusal(50_033)
        return { status: 200, body: channelObject(world, world.dmWith(person.id)) }
      },
    },
    {
      name: 'POST /channels/:channel/messages',
      run: ({ params, body }, person) => {
        const { content } = body as { content: string }
        return {
          status: 200,
          body: messageObject(world, say(person, channelOf(params['channel'], person), content)),
        }
      },
    },
    {
      name: 'GET /channels/:channel/messages',
      run: ({ params, query }, person) => {
        const { id } = channelOf(params['channel'], person)
        const after = BigInt(query.get('after') ?? 0)
        const found = [...world.messages.values()].filter(
          each => each.channelId === id && !each.deleted && BigInt(each.id) > after,
        )
        return { status: 200, body: found.toReversed().map(each => messageObject(world, each)) }
      },
    },
  ]
}
