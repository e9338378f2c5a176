import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { applicationRoutes } from './command-routes.ts'
import { Faults, type Fault } from './faults.ts'
import { Gateway } from './gateway.ts'
import { interactionRoutes } from './interaction-routes.ts'
import { Interactions } from './interactions.ts'
import { messageRoutes, OPEN_DM } from './message-routes.ts'
import { Nonces, type Answer, type FakeDiscordParts, type Route } from './parts.ts'
import type { Application, JournalEntry } from './records.ts'
import { RateLimits, tooMany } from './rate-limits.ts'
import { readable } from './readable.ts'
import { notAllowed, notFound, Refusal, refusal, unauthorized } from './refusals.ts'
import { userRoutes, type UserRoute } from './user-routes.ts'
import { World, type FakeChannel, type FakeGuild, type FakeMessage, type FakeUser } from './world.ts'

interface Mounted<Kind = Route> {
  readonly route: Kind
  readonly method: string
  readonly pattern: RegExp
}

const LARGEST_BODY = 10_000_000

/**
 * A strict Discord on loopback: REST and gateway, written from Discord's public documents. It refuses what Discord
 * refuses, so that what passes here means something, and it can be told to fail in Discord's ways. Give its `apiUrl` to
 * a discord.js client (`rest.api`) or to the bot as DISCORD_API_BASE_URL.
 */
export class FakeDiscord {
  readonly world = new World()
  readonly application: Application = {
    token: 'fake.discord.token',
    messageContent: true,
    guildMembers: false,
    presences: false,
  }
  readonly gateway = new Gateway(this.world, this.application)
  readonly interactions = new Interactions(this.world, this.gateway)
  readonly faults = new Faults()
  readonly limits = new RateLimits(() => this.world.now())
  readonly nonces = new Nonces(() => this.world.now())
  /** Messages the bot was let send, in order: the oracle of "exactly once". */
  readonly journal: JournalEntry[] = []
  /** Channels the bot showed itself typing in. */
  readonly typing: string[] = []
  /** Every request by route name, in order, with its status (0: no answer). */
  readonly requests: { route: string; status: number }[] = []
  /** Files that came with messages, in order. */
  readonly files: { name: string; text: string }[] = []
  readonly #server: Server
  readonly #routes: Mounted[]
  readonly #userRoutes: Mounted<UserRoute>[]
  /** People who come with a program of their own, by its token. */
  readonly #userTokens = new Map<string, FakeUser>()
  apiUrl = ''

  private constructor() {
    const parts: FakeDiscordParts = {
      world: this.world,
      application: this.application,
      gateway: this.gateway,
      nonces: this.nonces,
      interactions: this.interactions,
      journal: this.journal,
      typing: this.typing,
    }
    this.#routes = [...messageRoutes(parts), ...applicationRoutes(parts), ...interactionRoutes(parts)].map(mount)
    this.#userRoutes = userRoutes({ world: this.world, say: this.say.bind(this) }).map(mount)
    this.#server = createServer((request, response) => void this.#serve(request, response))
    this.#server.on('upgrade', (request, socket, head) => this.gateway.upgrade(request, socket, head))
  }

  /** Listens on a free port of loopback. */
  static async start(): Promise<FakeDiscord> {
    const fake = new FakeDiscord()
    await new Promise<void>(resolve => fake.#server.listen(0, '127.0.0.1', resolve))
    const { port } = fake.#server.address() as AddressInfo
    fake.apiUrl = `http://127.0.0.1:${port}/api`
    fake.gateway.listenAt(`ws://127.0.0.1:${port}`)
    return fake
  }

  async stop(): Promise<void> {
    this.gateway.stop()
    const closed = new Promise(resolve => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  /** A guild with the bot in it, and a channel. */
  guild(name = 'Bell Tower'): { guild: FakeGuild; channel: FakeChannel } {
    const guild = this.world.addGuild(name)
    guild.members.set(this.world.bot.id, [])
    return { guild, channel: this.world.addChannel({ guildId: guild.id, name: 'general' }) }
  }

  /** A person, in the guilds named. */
  person(username: string, ...guilds: readonly FakeGuild[]): FakeUser {
    const user = this.world.addUser(username)
    for (const guild of guilds) guild.members.set(user.id, [])
    return user
  }

  /** A token by which somebody's own program acts for them. */
  userToken(user: FakeUser): string {
    const token = `user.${user.id}.token`
    this.#userTokens.set(token, user)
    return token
  }

  /** Gives a member a role of their own with these permissions. */
  grant(guild: FakeGuild, userId: string, permissions: bigint): void {
    const role = this.world.snowflake()
    guild.roles.set(role, permissions)
    guild.members.get(userId)?.push(role)
  }

  /** Somebody writes into a channel. */
  say(
    author: FakeUser,
    channel: FakeChannel,
    content: string,
    more: { replyTo?: string; pingReplied?: boolean } = {},
  ): FakeMessage {
    const pings = this.world.pingsOf({ content, authorId: author.id, channel, allowed: undefined })
    const replied = this.world.messages.get(more.replyTo ?? '')
    if (replied && more.pingReplied !== false) pings.push(replied.authorId)
    const message = this.world.addMessage({
      channelId: channel.id,
      authorId: author.id,
      content,
      nonce: this.world.snowflake(),
      embeds: [],
      components: [],
      flags: 0,
      pings,
      replyTo: more.replyTo,
      interactionId: undefined,
    })
    this.gateway.message('MESSAGE_CREATE', message)
    return message
  }

  edit(message: FakeMessage, content: string): void {
    message.content = content
    message.editedAt = this.world.now()
    this.gateway.message('MESSAGE_UPDATE', message)
  }

  remove(message: FakeMessage): void {
    message.deleted = true
    this.gateway.deletion(message)
  }

  /** What the bot wrote into a channel, in order, as people read it. */
  sentTo(channel: FakeChannel): string[] {
    return this.journal.filter(each => each.channelId === channel.id).map(each => readable(each))
  }

  /** The token is no longer good: REST answers 401, connections close with 4004. */
  revokeToken(): void {
    this.application.token = `revoked-${this.world.snowflake()}`
    this.gateway.close(4004)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://x')
    const path = decodeURIComponent(url.pathname).replace(/^\/api(\/v10)?/, '')
    const person = this.#userTokens.get(request.headers.authorization ?? '')
    if (person) return this.#serveUser(request, response, { person, path, query: url.searchParams })
    const matching = this.#routes.filter(({ pattern }) => pattern.test(path))
    const mounted = matching.find(({ method }) => method === request.method)
    const route = mounted?.route.name ?? `${request.method} ${path}`
    const logged = { route, status: 0 }
    try {
      const text = await readBody(request)
      this.requests.push(logged)
      if (!url.pathname.startsWith('/api/v10/')) throw notFound()
      if (!request.headers['user-agent']?.startsWith('DiscordBot ('))
        throw new Refusal(403, { message: 'blocked', code: 40_333 })
      if (!mounted) throw matching.length > 0 ? notAllowed() : notFound()
      if (!mounted.route.withoutToken && request.headers.authorization !== `Bot ${this.application.token}`)
        throw unauthorized()
      const params = mounted.pattern.exec(path)?.groups ?? {}
      const headers = this.limits.take({
        route,
        resource: resourceOf(params),
        outsideGlobal: mounted.route.withoutToken ?? false,
      })
      const fault = this.faults.take(route)
      if (before(fault, response)) return
      const answer = mounted.route.run({ params, query: url.searchParams, body: await this.#bodyOf(request, text) })
      if (after(fault, response)) return
      logged.status = answer.status
      reply(response, answer, headers)
    } catch (error) {
      if (!(error instanceof Refusal)) {
        logged.status = 500
        return reply(response, { status: 500, body: { message: String(error), code: 0 } })
      }
      logged.status = error.status
      reply(response, { status: error.status, body: error.body }, error.headers)
    }
  }

  async #serveUser(
    request: IncomingMessage,
    response: ServerResponse,
    { person, path, query }: { person: FakeUser; path: string; query: URLSearchParams },
  ): Promise<void> {
    try {
      const text = await readBody(request)
      const mounted = this.#userRoutes.find(each => each.method === request.method && each.pattern.test(path))
      if (!mounted) throw notFound()
      const params = mounted.pattern.exec(path)?.groups ?? {}
      reply(response, mounted.route.run({ params, query, body: await this.#bodyOf(request, text) }, person))
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      reply(response, { status: error.status, body: error.body })
    }
  }

  /** @throws 50109 */
  async #bodyOf(request: IncomingMessage, text: string): Promise<unknown> {
    if (request.method === 'GET' || text === '') return undefined
    const type = request.headers['content-type'] ?? ''
    if (type.startsWith('multipart/form-data')) {
      const form = await new Response(text, { headers: { 'content-type': type } }).formData()
      const payload = form.get('payload_json')
      if (typeof payload !== 'string') throw refusal(50_109)
      for (const [, part] of form)
        if (typeof part !== 'string') this.files.push({ name: part.name, text: await part.text() })
      return JSON.parse(payload) as unknown
    }
    if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) throw refusal(50_109)
    try {
      return JSON.parse(text) as unknown
    } catch {
      throw refusal(50_109)
    }
  }
}

export { OPEN_DM }
export type { Fault }

/** Faults that strike before the work is done; true when there will be no answer. */
function before(fault: Fault | undefined, response: ServerResponse): boolean {
  if (fault?.kind === 'code') throw refusal(fault.code)
  if (fault?.kind === 'rate-limit') throw tooMany(fault.retryAfterMs, fault)
  if (fault?.kind === 'status' && fault.when === 'before')
    throw new Refusal(fault.status, { message: 'Server Error', code: 0 })
  if (fault?.kind === 'hang' && fault.when === 'before') return true
  if (fault?.kind !== 'cut' || fault.when !== 'before') return false
  response.destroy()
  return true
}

/** Faults that strike once it is done. */
function after(fault: Fault | undefined, response: ServerResponse): boolean {
  if (fault?.kind === 'status') throw new Refusal(fault.status, { message: 'Server Error', code: 0 })
  if (fault?.kind === 'hang') return true
  if (fault?.kind !== 'cut') return false
  response.destroy()
  return true
}

function mount<Kind extends { readonly name: string }>(route: Kind): Mounted<Kind> {
  const [method = '', path = ''] = route.name.split(' ')
  return { route, method, pattern: new RegExp(`^${path.replaceAll(/:(\w+)/g, '(?<$1>[^/]+)')}$`) }
}

/** The resource that has its own count: a channel, a guild, a webhook with its token. */
function resourceOf(params: Readonly<Record<string, string>>): string {
  return params['channel'] ?? params['guild'] ?? params['token'] ?? ''
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > LARGEST_BODY) throw new Refusal(413, { message: 'Request entity too large', code: 40_005 })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function reply(response: ServerResponse, answer: Answer, headers: Readonly<Record<string, string>> = {}): void {
  if (answer.body === undefined) response.writeHead(answer.status, headers).end()
  else
    response
      .writeHead(answer.status, { ...headers, 'content-type': 'application/json' })
      .end(JSON.stringify(answer.body))
}
