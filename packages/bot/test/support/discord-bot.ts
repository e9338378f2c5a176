import type { Clock, Logger } from 'belfry'
import { systemClock } from 'belfry'
import { fromPool, type Database } from 'belfry/database'
import { inject } from 'vitest'
import { createTestDatabase } from '../../../../test-support/test-database.ts'
import { until } from '../../../../test-support/until.ts'
import { createApp, type App } from '../../src/app.ts'
import { readConfig } from '../../src/config.ts'
import type { SeenMessage } from '../../src/followups/deliver-sent.ts'
import type { RemotePlatform } from '../../src/messaging/platform.ts'
import { DiscordDoor } from '../../src/platforms/discord/discord-door.ts'
import type { DiscordApp, FollowUpPress } from '../../src/platforms/discord/parts.ts'
import { FakeDiscord } from './fake-discord/fake-discord.ts'
import type { FakeChannel, FakeGuild, FakeUser } from './fake-discord/world.ts'

/** The bot's own parts behind its Discord door, and a Discord in front of it. */
export interface DiscordBot {
  readonly fake: FakeDiscord
  readonly guild: FakeGuild
  readonly channel: FakeChannel
  readonly ada: FakeUser
  readonly bo: FakeUser
  /** Ada's direct messages with the bot. */
  readonly dm: FakeChannel
  readonly app: App
  readonly database: Database
  readonly door: DiscordDoor
  /** Lines of the log: event names with their fields. */
  readonly logged: Record<string, unknown>[]
  readonly presses: FollowUpPress[]
  readonly witnessed: SeenMessage[]
  /** Somebody says something, and the bot's answers to it are there. */
  ask(author: FakeUser, channel: FakeChannel, text: string): Promise<string[]>
  connected(): Promise<void>
  /** Another door to the same bot, as after a restart; `meanwhile` happens while there is none. */
  restartDoor(meanwhile?: () => void): Promise<DiscordDoor>
  close(): Promise<void>
}

export interface DiscordBotOptions {
  /** Of the places and people there are. */
  readonly settings?: (there: { channel: FakeChannel; ada: FakeUser }) => Readonly<Record<string, string>>
  /** Before the bot logs in. */
  readonly before?: (fake: FakeDiscord) => void
  /** The door's time; the app behind it has the system's. */
  readonly clock?: Clock
  /** What the door is given besides. */
  readonly more?: Partial<DiscordApp>
}

export async function startDiscordBot({
  settings,
  before,
  clock = systemClock,
  more = {},
}: DiscordBotOptions = {}): Promise<DiscordBot> {
  const fake = await FakeDiscord.start()
  const { guild, channel } = fake.guild()
  const [ada, bo] = [fake.person('ada', guild), fake.person('bo', guild)]
  before?.(fake)
  const logged: Record<string, unknown>[] = []
  const keep = (fields: object) => void logged.push({ ...fields })
  const logger: Logger = { debug: keep, info: keep, warn: keep, error: keep }
  const onServer = await createTestDatabase(10, inject('botDatabase'))
  const database = fromPool(onServer.pool)
  const config = readConfig({
    DISCORD_TOKEN: fake.application.token,
    DISCORD_API_BASE_URL: fake.apiUrl,
    ...settings?.({ channel, ada }),
  })
  // What is sent goes through whichever door is open then.
  const platform: RemotePlatform = {
    name: 'discord',
    nonceWindowMs: 90_000,
    send: (message, signal) => door.platform.send(message, signal),
    findSent: (query, signal) => door.platform.findSent(query, signal),
  }
  const app = createApp({ config, database, clock: systemClock, logger, platforms: [platform] })
  await app.prepare()
  const presses: FollowUpPress[] = []
  const witnessed: SeenMessage[] = []
  const behind: DiscordApp = {
    chat: app.chat,
    database,
    commands: app.commands,
    scheduler: app.scheduler,
    onAction: async press => {
      presses.push(press)
      return `done: ${press.action} ${press.followUpId}`
    },
    onOwnMessage: async seen => void witnessed.push(seen),
    ...more,
  }
  const open = () => {
    if (!config.discord) throw new Error('a token is set')
    const { adminUserIds, commandPrefix: prefix } = config
    const door = new DiscordDoor({ ...config.discord, adminUserIds, prefix, clock, logger })
    door.start(behind)
    return door
  }
  let door = open()
  const connected = () => until('the bot is connected', async () => door.state === 'connected').then(() => {})
  const bot: DiscordBot = {
    fake,
    guild,
    channel,
    ada,
    bo,
    dm: fake.world.dmWith(ada.id),
    app,
    database,
    get door() {
      return door
    },
    logged,
    presses,
    witnessed,
    connected,
    async ask(author, where, text) {
      const already = fake.sentTo(where).length
      fake.say(author, where, text)
      return until(`an answer to ${text.slice(0, 40)}`, async () => {
        const answers = fake.sentTo(where).slice(already)
        return answers.length > 0 && answers
      })
    },
    async restartDoor(meanwhile) {
      await door.close()
      meanwhile?.()
      door = open()
      await connected()
      return door
    },
    async close() {
      await door.stopListening()
      await door.close()
      await app.stop()
      await onServer.drop()
      await fake.stop()
    },
  }
  return bot
}
