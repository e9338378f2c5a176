import { refusal, type Json } from './refusals.ts'

/** Permission bits, by Discord's page on permissions. */
export const Permission = {
  administrator: 1n << 3n,
  manageGuild: 1n << 5n,
  viewChannel: 1n << 10n,
  sendMessages: 1n << 11n,
  embedLinks: 1n << 14n,
  readMessageHistory: 1n << 16n,
  mentionEveryone: 1n << 17n,
  useApplicationCommands: 1n << 31n,
  sendMessagesInThreads: 1n << 38n,
} as const

/** What everybody may do in a new guild. */
const EVERYBODY =
  Permission.viewChannel |
  Permission.sendMessages |
  Permission.embedLinks |
  Permission.readMessageHistory |
  Permission.useApplicationCommands |
  Permission.sendMessagesInThreads

export interface FakeUser {
  readonly id: string
  username: string
  readonly bot: boolean
  locale: string
  /** Takes no direct messages, or has blocked the bot: Discord does not tell which. */
  dmsClosed: boolean
}

export interface FakeGuild {
  readonly id: string
  readonly name: string
  readonly ownerId: string
  /** Bits by role id; the guild's own id is @everyone. */
  readonly roles: Map<string, bigint>
  /** Role ids by user id. */
  readonly members: Map<string, string[]>
}

export interface FakeChannel {
  readonly id: string
  /** 0 text, 1 direct message, 11 public thread. */
  readonly type: 0 | 1 | 11
  readonly name: string
  readonly guildId: string | undefined
  readonly parentId: string | undefined
  readonly recipientId: string | undefined
  /** Taken from everybody here, by bit; a test's way to lock the bot out. */
  denied: bigint
}

export interface FakeMessage {
  readonly id: string
  readonly channelId: string
  readonly authorId: string
  content: string
  readonly at: number
  editedAt: number | undefined
  readonly nonce: string | number | undefined
  embeds: readonly unknown[]
  components: readonly unknown[]
  readonly flags: number
  /** Whom it rings: user ids, `everyone`, `&role`. */
  readonly pings: readonly string[]
  readonly replyTo: string | undefined
  readonly interactionId: string | undefined
  deleted: boolean
}

const DISCORD_EPOCH = 1_420_070_400_000

/** Everything the fake knows: people, guilds, channels, messages; and its clock. */
export class World {
  readonly users = new Map<string, FakeUser>()
  readonly guilds = new Map<string, FakeGuild>()
  readonly channels = new Map<string, FakeChannel>()
  readonly messages = new Map<string, FakeMessage>()
  readonly bot: FakeUser
  readonly applicationId: string
  #ahead = 0
  #last = 0n

  constructor() {
    this.bot = this.addUser('belfry-bot', { bot: true })
    this.applicationId = this.bot.id
  }

  /** The fake's time, in milliseconds since 1970. */
  now(): number {
    return Date.now() + this.#ahead
  }

  /** Lets the fake's time jump: nonce windows, rate limits, interactions' lives. */
  advance(ms: number): void {
    this.#ahead += ms
  }

  /** A fresh id, which holds its time. */
  snowflake(): string {
    const atLeast = BigInt(this.now() - DISCORD_EPOCH) << 22n
    this.#last = atLeast > this.#last ? atLeast : this.#last + 1n
    return String(this.#last)
  }

  addUser(username: string, { bot = false, locale = 'en-US' } = {}): FakeUser {
    const user = { id: this.snowflake(), username, bot, locale, dmsClosed: false }
    this.users.set(user.id, user)
    return user
  }

  addGuild(name: string): FakeGuild {
    const id = this.snowflake()
    const guild = {
      id,
      name,
      ownerId: this.snowflake(),
      roles: new Map([[id, EVERYBODY]]),
      members: new Map<string, string[]>(),
    }
    this.guilds.set(id, guild)
    return guild
  }

  addChannel(more: { guildId: string; name: string; parentId?: string | undefined }): FakeChannel {
    const channel: FakeChannel = {
      id: this.snowflake(),
      type: more.parentId === undefined ? 0 : 11,
      name: more.name,
      guildId: more.guildId,
      parentId: more.parentId,
      recipientId: undefined,
      denied: 0n,
    }
    this.channels.set(channel.id, channel)
    return channel
  }

  /** The one direct-message channel of the bot and a person. */
  dmWith(userId: string): FakeChannel {
    for (const channel of this.channels.values()) if (channel.recipientId === userId) return channel
    const channel: FakeChannel = {
      id: this.snowflake(),
      type: 1,
      name: '',
      guildId: undefined,
      parentId: undefined,
      recipientId: userId,
      denied: 0n,
    }
    this.channels.set(channel.id, channel)
    return channel
  }

  /** What a member may do in a channel; everything in a direct message that is theirs. */
  permissions(userId: string, channel: FakeChannel): bigint {
    if (channel.guildId === undefined)
      return userId === this.bot.id || userId === channel.recipientId
        ? ~Permission.administrator & ((1n << 50n) - 1n)
        : 0n
    const guild = this.guilds.get(channel.guildId)
    const roles = guild?.members.get(userId)
    if (!guild || !roles) return 0n
    const bits = this.guildPermissions(userId, guild)
    if (bits & Permission.administrator) return bits | ((1n << 50n) - 1n)
    const denied = channel.denied | (this.channels.get(channel.parentId ?? '')?.denied ?? 0n)
    return bits & ~denied
  }

  guildPermissions(userId: string, guild: FakeGuild): bigint {
    if (guild.ownerId === userId) return (1n << 50n) - 1n
    const everybody = guild.roles.get(guild.id) ?? 0n
    return (guild.members.get(userId) ?? []).reduce((bits, role) => bits | (guild.roles.get(role) ?? 0n), everybody)
  }

  haveMutualGuild(userId: string): boolean {
    return [...this.guilds.values()].some(({ members }) => members.has(userId) && members.has(this.bot.id))
  }

  /** A channel the bot may see. @throws 10003, 50001 */
  visibleChannel(id: string): FakeChannel {
    const channel = this.channels.get(id)
    if (!channel) throw refusal(10_003)
    if (!(this.permissions(this.bot.id, channel) & Permission.viewChannel)) throw refusal(50_001)
    return channel
  }

  /** A message of a channel that is still there. @throws 10008 */
  messageIn(channel: FakeChannel, id: string): FakeMessage {
    const message = this.messages.get(id)
    if (!message || message.deleted || message.channelId !== channel.id) throw refusal(10_008)
    return message
  }

  addMessage(message: Omit<FakeMessage, 'id' | 'at' | 'editedAt' | 'deleted'>): FakeMessage {
    const added = { ...message, id: this.snowflake(), at: this.now(), editedAt: undefined, deleted: false }
    this.messages.set(added.id, added)
    return added
  }

  /** Whom a text rings, under the rules given; bots ring everybody only where they may. */
  pingsOf(request: {
    content: string
    authorId: string
    channel: FakeChannel
    allowed: Json | null | undefined
  }): string[] {
    const { content, allowed } = request
    const parse = allowed ? ((allowed['parse'] as string[] | undefined) ?? []) : ['users', 'roles', 'everyone']
    const named = (kind: 'users' | 'roles') => (allowed?.[kind] as string[] | undefined) ?? []
    const users = [...content.matchAll(/<@!?(\d+)>/g)].map(([, id = '']) => id).filter(id => this.users.has(id))
    const roles = [...content.matchAll(/<@&(\d+)>/g)].map(([, id = '']) => id)
    const mayRingAll = (this.permissions(request.authorId, request.channel) & Permission.mentionEveryone) !== 0n
    const everyone = /@(everyone|here)/.test(content) && mayRingAll && parse.includes('everyone')
    const rings = [
      ...users.filter(id => parse.includes('users') || named('users').includes(id)),
      ...roles.filter(id => parse.includes('roles') || named('roles').includes(id)).map(id => `&${id}`),
      ...(everyone ? ['everyone'] : []),
    ]
    return [...new Set(rings)]
  }
}
