import type { Json } from './refusals.ts'
import type { FakeChannel, FakeGuild, FakeMessage, FakeUser, World } from './world.ts'

/** Discord's objects as they travel. */
export function userObject(user: FakeUser): Json {
  return {
    id: user.id,
    username: user.username,
    discriminator: '0',
    global_name: user.bot ? null : user.username,
    avatar: null,
    bot: user.bot,
    system: false,
    public_flags: 0,
    flags: 0,
  }
}

export function memberObject(world: World, guild: FakeGuild, userId: string): Json {
  const user = world.users.get(userId)
  return {
    user: user && userObject(user),
    nick: null,
    avatar: null,
    roles: guild.members.get(userId) ?? [],
    joined_at: new Date(0).toISOString(),
    deaf: false,
    mute: false,
    flags: 0,
  }
}

export function channelObject(world: World, channel: FakeChannel): Json {
  const recipient = world.users.get(channel.recipientId ?? '')
  if (channel.type === 1) {
    return {
      id: channel.id,
      type: 1,
      last_message_id: lastMessageId(world, channel),
      flags: 0,
      recipients: recipient ? [userObject(recipient)] : [],
    }
  }
  return {
    id: channel.id,
    type: channel.type,
    guild_id: channel.guildId,
    parent_id: channel.parentId ?? null,
    name: channel.name,
    position: 0,
    nsfw: false,
    topic: null,
    last_message_id: lastMessageId(world, channel),
    rate_limit_per_user: 0,
    permission_overwrites: [{ id: channel.guildId, type: 0, allow: '0', deny: String(channel.denied) }],
    ...(channel.type === 11 && {
      thread_metadata: {
        archived: false,
        auto_archive_duration: 1_440,
        archive_timestamp: new Date(0).toISOString(),
        locked: false,
      },
    }),
  }
}

/** Of the last message sent there, whether or not it is there still. */
function lastMessageId(world: World, channel: FakeChannel): string | null {
  return [...world.messages.values()].findLast(({ channelId }) => channelId === channel.id)?.id ?? null
}

export function guildObject(world: World, guild: FakeGuild): Json {
  const channels = [...world.channels.values()].filter(channel => channel.guildId === guild.id)
  const members = [...guild.members.keys()]
  return {
    id: guild.id,
    name: guild.name,
    owner_id: guild.ownerId,
    unavailable: false,
    icon: null,
    features: [],
    preferred_locale: 'en-US',
    member_count: members.length,
    roles: [...guild.roles].map(([id, permissions]) => ({
      id,
      name: id === guild.id ? '@everyone' : `role-${id}`,
      permissions: String(permissions),
      position: 0,
      color: 0,
      colors: { primary_color: 0, secondary_color: null, tertiary_color: null },
      hoist: false,
      managed: false,
      mentionable: false,
      flags: 0,
    })),
    channels: channels.filter(each => each.type === 0).map(each => channelObject(world, each)),
    threads: channels.filter(each => each.type === 11).map(each => channelObject(world, each)),
    // Without the members intent Discord sends the bot's own alone.
    members: members.filter(id => id === world.bot.id).map(id => memberObject(world, guild, id)),
    emojis: [],
    stickers: [],
    voice_states: [],
    presences: [],
    stage_instances: [],
    guild_scheduled_events: [],
    soundboard_sounds: [],
  }
}

/** A message as its reader gets it: with its content, or with none (`blank`), as without the Message Content intent. */
export function messageObject(world: World, message: FakeMessage, blank = false): Json {
  const author = world.users.get(message.authorId)
  const channel = world.channels.get(message.channelId)
  const guild = world.guilds.get(channel?.guildId ?? '')
  const referenced = message.replyTo === undefined ? undefined : world.messages.get(message.replyTo)
  return {
    id: message.id,
    type: message.interactionId ? 20 : message.replyTo ? 19 : 0,
    channel_id: message.channelId,
    author: author && userObject(author),
    content: blank ? '' : message.content,
    timestamp: new Date(message.at).toISOString(),
    edited_timestamp: message.editedAt === undefined ? null : new Date(message.editedAt).toISOString(),
    tts: false,
    mention_everyone: message.pings.includes('everyone'),
    mentions: message.pings.flatMap(id => world.users.get(id) ?? []).map(user => userObject(user)),
    mention_roles: message.pings.filter(id => id.startsWith('&')).map(id => id.slice(1)),
    attachments: [],
    embeds: blank ? [] : message.embeds,
    components: blank ? [] : message.components,
    pinned: false,
    flags: message.flags,
    ...(guild && { guild_id: guild.id, member: memberObject(world, guild, message.authorId) }),
    ...(message.interactionId && { application_id: world.applicationId }),
    ...(message.replyTo && {
      message_reference: { type: 0, message_id: message.replyTo, channel_id: message.channelId, guild_id: guild?.id },
      referenced_message:
        referenced && !referenced.deleted ? messageObject(world, { ...referenced, replyTo: undefined }) : null,
    }),
  }
}

/** Content is given without the intent in direct messages, in one's own messages, and in those that mention the app. */
export function needsContentIntent(world: World, message: FakeMessage): boolean {
  const inGuild = world.channels.get(message.channelId)?.guildId !== undefined
  return inGuild && message.authorId !== world.bot.id && !message.pings.includes(world.bot.id)
}
