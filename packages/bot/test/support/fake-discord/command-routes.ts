import type { FakeDiscordParts, Route } from './parts.ts'
import type { FakeCommand } from './records.ts'
import { memberObject, userObject, guildObject } from './objects.ts'
import { refusal, type Json } from './refusals.ts'
import { commands, type CommandOption, type NewCommand } from './command-shapes.ts'
import { parse } from './shapes.ts'
import type { FakeGuild } from './world.ts'

export const REGISTER_COMMANDS = 'PUT /applications/:application/commands'

/** The application, its commands, its guilds and people. */
export function applicationRoutes(parts: FakeDiscordParts): Route[] {
  const { world, application, gateway } = parts
  const applicationObject = () => ({
    id: world.applicationId,
    name: world.bot.username,
    description: '',
    icon: null,
    bot_public: true,
    bot_require_code_grant: false,
    verify_key: '0'.repeat(64),
    flags: (application.messageContent ? 1 << 19 : 0) | (application.guildMembers ? 1 << 15 : 0),
    owner: { id: '100000000000000001', username: 'operator', discriminator: '0', avatar: null },
    bot: userObject(world.bot),
  })
  const guild = (id = ''): FakeGuild => {
    const found = world.guilds.get(id)
    if (!found) throw refusal(10_004)
    if (!found.members.has(world.bot.id)) throw refusal(50_001)
    return found
  }
  const ownApplication = (id: string | undefined) => {
    if (id !== world.applicationId) throw refusal(50_001)
  }
  return [
    {
      name: 'GET /gateway/bot',
      run: () => ({
        status: 200,
        body: {
          url: gateway.url,
          shards: gateway.recommendedShards,
          session_start_limit: {
            total: 1_000,
            remaining: Math.max(0, 1_000 - gateway.identifies),
            reset_after: 86_400_000,
            max_concurrency: gateway.maxConcurrency,
          },
        },
      }),
    },
    { name: 'GET /users/@me', run: () => ({ status: 200, body: userObject(world.bot) }) },
    {
      name: 'GET /users/@me/guilds',
      run: () => ({
        status: 200,
        body: [...world.guilds.values()]
          .filter(({ members }) => members.has(world.bot.id))
          .map(each => ({
            id: each.id,
            name: each.name,
            icon: null,
            owner: false,
            permissions: String(world.guildPermissions(world.bot.id, each)),
            features: [],
          })),
      }),
    },
    {
      name: 'GET /users/:user',
      run: ({ params }) => {
        const user = world.users.get(params['user'] ?? '')
        if (!user) throw refusal(10_013)
        return { status: 200, body: userObject(user) }
      },
    },
    { name: 'GET /applications/@me', run: () => ({ status: 200, body: applicationObject() }) },
    { name: 'GET /oauth2/applications/@me', run: () => ({ status: 200, body: applicationObject() }) },
    {
      name: 'GET /guilds/:guild',
      run: ({ params }) => ({ status: 200, body: guildObject(world, guild(params['guild'])) }),
    },
    {
      name: 'GET /guilds/:guild/members/:user',
      run: ({ params }) => {
        const here = guild(params['guild'])
        const id = params['user'] ?? ''
        if (!world.users.has(id)) throw refusal(10_013)
        if (!here.members.has(id)) throw refusal(10_007)
        return { status: 200, body: memberObject(world, here, id) }
      },
    },
    {
      name: 'GET /applications/:application/commands',
      run: ({ params }) => {
        ownApplication(params['application'])
        return { status: 200, body: parts.interactions.commandsOf(undefined).map(each => commandObject(parts, each)) }
      },
    },
    {
      name: REGISTER_COMMANDS,
      run: ({ params, body }) => {
        ownApplication(params['application'])
        return { status: 200, body: register(parts, undefined, parse(commands, body)) }
      },
    },
    {
      name: 'GET /applications/:application/guilds/:guild/commands',
      run: ({ params }) => {
        ownApplication(params['application'])
        const { id } = guild(params['guild'])
        return { status: 200, body: parts.interactions.commandsOf(id).map(each => commandObject(parts, each)) }
      },
    },
    {
      name: 'PUT /applications/:application/guilds/:guild/commands',
      run: ({ params, body }) => {
        ownApplication(params['application'])
        return { status: 200, body: register(parts, guild(params['guild']).id, parse(commands, body)) }
      },
    },
  ]
}

/** What is not in the list is gone; what keeps its name keeps its id. */
function register(parts: FakeDiscordParts, guildId: string | undefined, wanted: readonly NewCommand[]): Json[] {
  const known = parts.interactions.commandsOf(guildId)
  const registered = wanted.map(definition => ({
    id: known.find(each => each.definition.name === definition.name)?.id ?? parts.world.snowflake(),
    version: parts.world.snowflake(),
    guildId,
    definition,
  }))
  parts.interactions.replaceCommands(guildId, registered)
  return registered.map(each => commandObject(parts, each))
}

/** A command as it is given back: with every default written out. */
function commandObject({ world }: FakeDiscordParts, { id, version, guildId, definition }: FakeCommand): Json {
  return {
    id,
    version,
    application_id: world.applicationId,
    ...(guildId && { guild_id: guildId }),
    type: 1,
    name: definition.name,
    name_localizations: definition.name_localizations ?? null,
    description: definition.description,
    description_localizations: definition.description_localizations ?? null,
    default_member_permissions: definition.default_member_permissions ?? null,
    dm_permission: guildId === undefined ? (definition.contexts?.includes(1) ?? true) : undefined,
    contexts: guildId === undefined ? (definition.contexts ?? null) : null,
    integration_types: guildId === undefined ? (definition.integration_types ?? [0]) : undefined,
    nsfw: definition.nsfw ?? false,
    // Discord leaves out what is empty or false.
    ...(definition.options?.length && { options: definition.options.map(option => withoutFalse(option)) }),
  }
}

/** At every depth. A subcommand without options has an empty list. */
function withoutFalse(option: CommandOption): Json {
  const { options, ...rest } = option
  const kept = Object.entries(rest).filter(([, value]) => value !== false && value !== undefined && value !== null)
  return { ...Object.fromEntries(kept), ...(options && { options: options.map(each => withoutFalse(each)) }) }
}
