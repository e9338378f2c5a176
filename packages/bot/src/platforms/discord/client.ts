import { Client, GatewayIntentBits, Options, Partials } from 'discord.js'
import type { IdentifyPace } from './identify-pace.ts'
import type { DiscordOptions } from './parts.ts'

/** A request is given up after this. */
const TIMEOUT_MS = 10_000
/** A rate limit longer than this is not waited for within a request. */
const PATIENCE_MS = 15_000
/** Every so many refused requests one line of warning: ten thousand in ten minutes end in a ban. */
const WARN_EVERY = 500

export interface ClientParts {
  readonly options: DiscordOptions
  /** Ask for the content of messages that do not address the bot. */
  readonly withContent: boolean
  readonly pace: IdentifyPace
}

/** discord.js as this bot uses it; not logged in yet. */
export function createClient({ options, withContent, pace }: ClientParts): Client {
  const { Guilds, GuildMessages, DirectMessages, MessageContent } = GatewayIntentBits
  const { shards } = options
  return new Client({
    intents: [Guilds, GuildMessages, DirectMessages, ...(withContent ? [MessageContent] : [])],
    ...(shards === 'auto' ? { shards } : { shardCount: shards }),
    partials: [Partials.Channel],
    allowedMentions: { parse: [], repliedUser: false },
    makeCache: Options.cacheWithLimits({ ...Options.DefaultMakeCacheSettings, MessageManager: 50 }),
    ws: { buildIdentifyThrottler: manager => pace.throttlerOf(manager) },
    rest: {
      api: options.apiBaseUrl.replace(/\/$/, ''),
      // Whether to try again is decided by whoever knows what it would do: the job, or the answer.
      retries: 0,
      timeout: TIMEOUT_MS,
      rejectOnRateLimit: ({ retryAfter }) => retryAfter > PATIENCE_MS,
      invalidRequestWarningInterval: WARN_EVERY,
    },
  })
}
