import { Events, RESTEvents, type Client } from 'discord.js'
import { sleep, type Timer } from 'belfry'
import { followRawEvent, type RawEvent } from './changes.ts'
import { createClient } from './client.ts'
import { CommandButtons } from './command-buttons.ts'
import { CommandPace } from './command-pace.ts'
import { Conversations } from './conversation.ts'
import { DiscordPlatform } from './delivery.ts'
import { IdentifyPace } from './identify-pace.ts'
import { Interactions } from './interactions.ts'
import { login, type LoginOutcome } from './login.ts'
import type { DiscordApp, DiscordOptions } from './parts.ts'
import { RefusedRequests } from './refused-requests.ts'
import { registerCommands } from './slash-commands.ts'

/** Where the connection stands. */
export type DiscordState = 'connecting' | 'connected' | 'token refused' | 'stopped'

/** The pause after a first failed login; it doubles, up to the longest. */
const FIRST_PAUSE_MS = 1_000
/** Discord resets the token after 1,000 logins in a day: those it turned away are made at most 144 times. */
const LONGEST_PAUSE_MS = { unreachable: 60_000, failed: 600_000 } as const
/** What the log says of a login that failed and is tried again. */
const SAID_OF: Readonly<Record<LoginOutcome, string>> = {
  connected: '',
  'token refused': '',
  'intent refused': 'Discord refuses an intent; trying again',
  unreachable: 'no connection to Discord; trying again',
  failed: 'Discord turns the login away; trying again',
  'sharding required': 'Discord wants more connections for so many servers: set DISCORD_SHARDS=auto and start again',
}
/** Close codes after which a login is needed that the library does not make: the token, and an intent taken away. */
const [AUTHENTICATION_FAILED, DISALLOWED_INTENTS] = [4004, 4014]

/** How often it is looked for what a process that died has left unanswered. */
const LEFT_EVERY_MS = 60_000
/** Direct messages arrive on the first shard alone, whatever their number. */
const OF_DIRECT_MESSAGES = 0

/** Discord: hears, answers, sends. Whatever happens to it, the rest of the bot goes on. */
export class DiscordDoor {
  /** Sends follow-ups. Usable before `start`: it says then that there is no connection. */
  readonly platform: DiscordPlatform
  readonly #options: DiscordOptions
  readonly #stopping = new AbortController()
  readonly #pace: IdentifyPace
  readonly #refusals: RefusedRequests
  #app: DiscordApp | undefined
  #conversations: Conversations | undefined
  #interactions: Interactions | undefined
  #client: Client<true> | undefined
  #state: DiscordState = 'connecting'
  /** Shards whose connection is lost at the moment; the library is at it. */
  readonly #away = new Set<number>()
  #hasContent = true
  #leftTimer: Timer | undefined
  #connecting: Promise<void> = Promise.resolve()

  constructor(options: DiscordOptions) {
    this.#options = options
    this.#pace = new IdentifyPace(options.clock)
    this.#refusals = new RefusedRequests(options.clock)
    const line = {
      rest: () => this.#client?.rest,
      botId: () => this.#client?.user.id,
      hearMissed: (from: { userId: string; channelId: string }) => this.#hearMissed(from),
      isTokenRefused: () => this.#state === 'token refused',
    }
    this.platform = new DiscordPlatform(line, options.clock)
  }

  get state(): DiscordState {
    return this.#state === 'connected' && this.#away.size > 0 ? 'connecting' : this.#state
  }

  /** Whether Discord gives the content of messages that do not address the bot. */
  get hasMessageContent(): boolean {
    return this.#hasContent
  }

  /** Requests of the last ten minutes that Discord refused in the way it bans for. */
  get refusedRequests(): number {
    return this.#refusals.lately
  }

  /** Begins to log in, and keeps at it; does not wait for it. */
  start(app: DiscordApp): void {
    this.#app = app
    const { clock, token } = this.#options
    const shared = { options: this.#options, app, pace: new CommandPace(clock), buttons: new CommandButtons(token) }
    this.#conversations = new Conversations(shared)
    this.#interactions = new Interactions(shared)
    this.#connect()
  }

  /** Hears nothing new; resolves when what was heard is answered. Sending still works. */
  async stopListening(): Promise<void> {
    this.#stopping.abort()
    this.#leftTimer?.cancel()
    this.#client?.removeAllListeners(Events.MessageCreate)
    this.#client?.removeAllListeners(Events.InteractionCreate)
    await this.#conversations?.whenIdle()
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    this.#leftTimer?.cancel()
    await this.#connecting
    await this.#client?.destroy()
    this.#client = undefined
    this.#state = 'stopped'
  }

  #connect(): void {
    this.#connecting = this.#keepTrying().catch((error: unknown) => this.#log('error', 'discord_failed', error))
  }

  async #keepTrying(): Promise<void> {
    const { clock, logger } = this.#options
    this.#state = 'connecting'
    let pauseMs = FIRST_PAUSE_MS
    while (!this.#stopping.signal.aborted) {
      const client = createClient({ options: this.#options, withContent: this.#hasContent, pace: this.#pace })
      this.#listen(client)
      const outcome = await login(client, this.#options.token, this.#stopping.signal)
      if (outcome === 'connected') return this.#connected(client as Client<true>)
      await client.destroy()
      if (outcome === 'token refused') return this.#refused()
      if (outcome === 'intent refused' && this.#hasContent) {
        this.#hasContent = false
        logger.warn(
          { event: 'discord_without_content' },
          'Discord does not grant the Message Content intent: in servers the bot hears mentions and slash commands alone',
        )
        continue
      }
      logger.warn({ event: 'discord_login_failed', outcome, pauseMs }, SAID_OF[outcome])
      await sleep(clock, pauseMs, this.#stopping.signal)
      const longestMs = LONGEST_PAUSE_MS[outcome === 'unreachable' ? 'unreachable' : 'failed']
      pauseMs = Math.min(pauseMs * 2, longestMs)
    }
  }

  #listen(client: Client): void {
    const { logger } = this.#options
    client.on(Events.MessageCreate, message => void this.#conversations?.hear(message))
    client.on(Events.InteractionCreate, interaction => {
      this.#interactions
        ?.handle(interaction)
        .catch((error: unknown) => this.#log('error', 'discord_interaction_failed', error))
    })
    client.on(Events.Raw, (event: RawEvent) => {
      if (!this.#app) return
      followRawEvent({ app: this.#app, botId: client.user?.id }, event).catch((error: unknown) =>
        this.#log('warn', 'discord_event_failed', error),
      )
    })
    client.on(Events.ShardReconnecting, shard => void this.#away.add(shard))
    client.on(Events.ShardResume, shard => void this.#away.delete(shard))
    client.on(Events.ShardReady, shard => {
      this.#away.delete(shard)
      if (shard !== OF_DIRECT_MESSAGES) return
      this.#conversations
        ?.catchUp(client)
        .catch((error: unknown) => this.#log('warn', 'discord_catch_up_failed', error))
    })
    client.on(Events.ShardDisconnect, ({ code }) => this.#lost(client, code))
    client.on(Events.Error, error => this.#log('warn', 'discord_error', error))
    client.on(Events.ShardError, error => this.#log('warn', 'discord_error', error))
    client.rest.on(RESTEvents.InvalidRequestWarning, ({ count }) =>
      logger.warn(
        { event: 'discord_refused_requests', count },
        'Discord refuses many requests; ten thousand in ten minutes end in a ban',
      ),
    )
    client.rest.on(RESTEvents.Response, ({ path }, { status, headers }) => {
      this.#refusals.note({ status, scope: headers.get('x-ratelimit-scope') })
      // Answers to interactions carry a token of their own.
      if (status === 401 && !/^\/(webhooks|interactions)\//.test(path)) this.#lost(client, AUTHENTICATION_FAILED)
    })
  }

  #connected(client: Client<true>): void {
    this.#client = client
    this.#state = 'connected'
    this.#away.clear()
    const { logger } = this.#options
    logger.info({ event: 'discord_connected', guilds: client.guilds.cache.size }, 'connected to Discord')
    void registerCommands(client.rest, {
      applicationId: client.application.id,
      commands: this.#app?.commands ?? [],
    }).then(
      outcome => logger.info({ event: 'discord_commands', outcome }, 'slash commands are up to date'),
      (error: unknown) => this.#log('warn', 'discord_commands_failed', error),
    )
    this.#answerLeft()
  }

  /** Now, and again and again: another process may die, and nobody tells. */
  #answerLeft(): void {
    this.#leftTimer?.cancel()
    if (this.#stopping.signal.aborted) return
    this.#leftTimer = this.#options.clock.setTimer(LEFT_EVERY_MS, () => this.#answerLeft())
    if (!this.#client) return
    this.#conversations
      ?.answerLeft(this.#client)
      .catch((error: unknown) => this.#log('warn', 'discord_left_answers_failed', error))
  }

  async #hearMissed(from: { userId: string; channelId: string }): Promise<boolean> {
    // What cannot be known is no "nothing".
    if (!this.#client || !this.#conversations) throw new Error('there is no connection')
    return this.#conversations.hearMissed(this.#client, from)
  }

  /** The library does not come back from these by itself. */
  #lost(client: Client, code: number): void {
    if (this.#client !== client || this.#state !== 'connected') return
    this.#client = undefined
    void client.destroy()
    if (code === AUTHENTICATION_FAILED) return this.#refused()
    if (code !== DISALLOWED_INTENTS) this.#log('warn', 'discord_disconnected', `close code ${code}`)
    if (!this.#stopping.signal.aborted) this.#connect()
  }

  #refused(): void {
    this.#state = 'token refused'
    this.#options.logger.error(
      { event: 'discord_token_refused' },
      'Discord refuses the token: set DISCORD_TOKEN to a valid one and start again; everything else goes on',
    )
  }

  #log(level: 'warn' | 'error', event: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error)
    this.#options.logger[level]({ event, reason }, 'trouble with Discord')
  }
}
