import { randomBytes } from 'node:crypto'
import { WebSocket, WebSocketServer } from 'ws'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { GatewayConnection } from './gateway-connection.ts'
import { guildObject, messageObject, needsContentIntent, userObject } from './objects.ts'
import type { Application } from './records.ts'
import { Intent, shardOf, type Doorkeeper, type Login, type Session } from './session.ts'
import type { Json } from './refusals.ts'
import { Permission, type FakeChannel, type FakeMessage, type World } from './world.ts'

/** The gateway: who is connected, and what they hear. */
export class Gateway implements Doorkeeper {
  /** Discord's usual interval; a connection that is silent for 1.5 of it is closed. */
  heartbeatIntervalMs = 41_250
  /** Logins so far; beyond `identifiesLeft` Discord resets the token. */
  identifies = 0
  resumes = 0
  /** Events already sent that a resume sends once more, as Discord may. */
  replayedAgain = 0
  /** How many shards Discord recommends, how many may log in within five seconds, and how many guilds one may have. */
  recommendedShards = 1
  maxConcurrency = 1
  mostGuilds = 2_500
  /** Logins of one bucket within five seconds are turned away; off, as tests restart faster than programs do. */
  watchesPace = false
  readonly sessions = new Map<string, Session>()
  readonly world: World
  readonly application: Application
  readonly #server = new WebSocketServer({ noServer: true })
  readonly #connections = new Set<GatewayConnection>()
  #lost = new Map<string, number>()
  readonly #loggedIn = new Map<number, number>()
  #url = ''

  constructor(world: World, application: Application) {
    this.world = world
    this.application = application
  }

  get url(): string {
    return this.#url
  }

  listenAt(url: string): void {
    this.#url = url
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#server.handleUpgrade(request, socket, head, client => {
      const connection = new GatewayConnection(this, client, new URL(request.url ?? '/', 'ws://x').searchParams)
      this.#connections.add(connection)
      client.once('close', () => this.#connections.delete(connection))
    })
  }

  /** A session, or the close code of a login that is turned away; 0: the session is invalid, for it came too soon. */
  identify(connection: NonNullable<Session['connection']>, { intents, shard }: Login): Session | number {
    this.identifies += 1
    const [number, count] = shard
    if (number < 0 || number >= count) return 4010
    const { world } = this
    const all = [...world.guilds.values()].filter(({ members }) => members.has(world.bot.id))
    const guilds = all.filter(guild => shardOf(guild.id, count) === number)
    if (guilds.length > this.mostGuilds) return 4011
    if (this.watchesPace && this.#comesTooSoon(number % this.maxConcurrency)) return 0
    const session = { id: randomBytes(16).toString('hex'), intents, shard, sequence: 0, sent: [], connection }
    this.sessions.set(session.id, session)
    this.send(session, 'READY', {
      v: 10,
      user: { ...userObject(world.bot), mfa_enabled: false, verified: true, email: null },
      guilds: guilds.map(({ id }) => ({ id, unavailable: true })),
      session_id: session.id,
      session_type: 'normal',
      resume_gateway_url: this.#url,
      shard,
      application: { id: world.applicationId, flags: this.application.messageContent ? 1 << 19 : 0 },
    })
    if (intents & Intent.guilds)
      for (const guild of guilds) this.send(session, 'GUILD_CREATE', guildObject(world, guild))
    return session
  }

  /** Sends what a session missed; undefined when there is nothing to resume. */
  resume(
    connection: NonNullable<Session['connection']>,
    request: { sessionId: string; sequence: number },
  ): Session | undefined {
    const session = this.sessions.get(request.sessionId)
    if (!session || request.sequence > session.sequence) return undefined
    this.resumes += 1
    session.connection = connection
    for (const event of session.sent) {
      if (event.s > request.sequence - this.replayedAgain && event.t !== 'READY') connection.deliver(event)
    }
    this.send(session, 'RESUMED', {})
    return session
  }

  send(session: Session, t: string, d: Json): void {
    const lose = this.#lost.get(t) ?? 0
    if (lose > 0) {
      this.#lost.set(t, lose - 1)
      return
    }
    session.sequence += 1
    const event = { s: session.sequence, t, d }
    session.sent.push(event)
    session.connection?.deliver(event)
  }

  /** Tells every session that may hear of a message. */
  message(t: 'MESSAGE_CREATE' | 'MESSAGE_UPDATE', message: FakeMessage): void {
    for (const session of this.#audience(message.channelId)) {
      const blank = needsContentIntent(this.world, message) && !(session.intents & Intent.messageContent)
      const nonce = t === 'MESSAGE_CREATE' && message.nonce !== undefined ? { nonce: message.nonce } : {}
      const channelType = this.world.channels.get(message.channelId)?.type
      this.send(session, t, { ...messageObject(this.world, message, blank), ...nonce, channel_type: channelType })
    }
  }

  deletion(message: FakeMessage): void {
    const guildId = this.world.channels.get(message.channelId)?.guildId
    for (const session of this.#audience(message.channelId)) {
      this.send(session, 'MESSAGE_DELETE', {
        id: message.id,
        channel_id: message.channelId,
        ...(guildId && { guild_id: guildId }),
      })
    }
  }

  /** Interactions reach the application whatever its intents. */
  interaction(d: Json): void {
    const guildId = typeof d['guild_id'] === 'string' ? d['guild_id'] : undefined
    for (const session of this.#ofGuild(guildId)) this.send(session, 'INTERACTION_CREATE', d)
  }

  /** The next events of a kind reach nobody and are not kept for a resume. */
  lose(t: string, times = 1): void {
    this.#lost.set(t, (this.#lost.get(t) ?? 0) + times)
  }

  /** Cuts every connection without a word; sessions stay, and can be resumed. */
  cut(): void {
    for (const connection of this.#connections) connection.socket.terminate()
  }

  /** Closes every connection with a code; sessions that cannot come back are forgotten. */
  close(code: number): void {
    if (code === 4004) this.sessions.clear()
    for (const connection of this.#connections) connection.socket.close(code)
  }

  /** Op 7: reconnect and resume, please. */
  askToReconnect(): void {
    for (const connection of this.#connections) connection.send({ op: 7, d: null })
  }

  /** Op 9: the session is over, or (`resumable`) may be tried again; of one shard, or of all. */
  invalidate({ resumable, shard }: { resumable: boolean; shard?: number }): void {
    const meant = (session: Session | undefined) => shard === undefined || session?.shard[0] === shard
    for (const [id, session] of this.sessions) if (!resumable && meant(session)) this.sessions.delete(id)
    for (const connection of this.#connections) if (meant(connection.session)) connection.send({ op: 9, d: resumable })
  }

  get connected(): number {
    return [...this.#connections].filter(({ socket }) => socket.readyState === WebSocket.OPEN).length
  }

  stop(): void {
    for (const connection of this.#connections) connection.end()
    this.#server.close()
  }

  #audience(channelId: string): Session[] {
    const channel = this.world.channels.get(channelId)
    if (!channel || !this.#sees(channel)) return []
    const needed = channel.guildId === undefined ? Intent.directMessages : Intent.guildMessages
    return this.#ofGuild(channel.guildId).filter(session => (session.intents & needed) !== 0)
  }

  /** Every process that is logged in hears of a guild on the shard that has it. */
  #ofGuild(guildId: string | undefined): Session[] {
    return [...this.sessions.values()].filter(({ shard: [id, count] }) => shardOf(guildId, count) === id)
  }

  #comesTooSoon(bucket: number): boolean {
    const now = performance.now()
    const last = this.#loggedIn.get(bucket)
    this.#loggedIn.set(bucket, now)
    return last !== undefined && now - last < 5_000
  }

  #sees(channel: FakeChannel): boolean {
    return (this.world.permissions(this.world.bot.id, channel) & Permission.viewChannel) !== 0n
  }
}
