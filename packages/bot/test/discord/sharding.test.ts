import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { until } from '../../../../test-support/until.ts'
import { startDiscordBot, type DiscordBot } from '../support/discord-bot.ts'
import { FakeDiscord } from '../support/fake-discord/fake-discord.ts'
import { Intent, shardOf } from '../support/fake-discord/session.ts'
import type { FakeChannel, FakeGuild } from '../support/fake-discord/world.ts'

/** A guild whose events come on a shard, of two. */
function guildOn(fake: FakeDiscord, shard: number): { guild: FakeGuild; channel: FakeChannel } {
  for (;;) {
    const made = fake.guild(`on shard ${shard}`)
    if (shardOf(made.guild.id, 2) === shard) return made
    fake.world.guilds.delete(made.guild.id)
    fake.world.advance(1)
  }
}

describe('a bot with two connections', () => {
  let bot: DiscordBot
  let there: { guild: FakeGuild; channel: FakeChannel }[]
  afterEach(() => bot.close())

  async function start(shards: string): Promise<void> {
    bot = await startDiscordBot({
      settings: () => ({ DISCORD_SHARDS: shards }),
      before: fake => {
        fake.gateway.recommendedShards = 2
        fake.gateway.maxConcurrency = 2
        fake.gateway.watchesPace = true
        there = [guildOn(fake, 0), guildOn(fake, 1)]
      },
    })
    await bot.connected()
  }
  const shards = () => [...bot.fake.gateway.sessions.values()].map(each => each.shard.join('/')).toSorted()

  it.each(['2', 'auto'])('(%s) answers in the servers of both and in direct messages, each once', async setting => {
    await start(setting)
    expect(shards()).toEqual(['0/2', '1/2'])
    for (const { guild, channel } of there) {
      guild.members.set(bot.ada.id, [])
      await bot.ask(bot.ada, channel, `<@${bot.fake.world.bot.id}> hello`)
    }
    await bot.ask(bot.ada, bot.dm, 'hello')
    const slash = bot.fake.interactions.use({ userId: bot.ada.id, channelId: there[1]?.channel.id ?? '', name: 'help' })
    expect((await slash.answered).content).toContain('followup_settings')
    expect(bot.fake.journal).toHaveLength(3)
  })

  it('catches up on direct messages when the first comes back, and not when another does', async () => {
    await start('2')
    await bot.ask(bot.ada, bot.dm, 'hi, I am Ada')
    const reads = () => bot.fake.requests.filter(each => each.route === 'GET /channels/:channel/messages').length
    const before = reads()
    bot.fake.gateway.lose('MESSAGE_CREATE', 1)
    bot.fake.say(bot.ada, bot.dm, 'are you there?')
    const identifies = bot.fake.gateway.identifies
    bot.fake.gateway.invalidate({ resumable: false, shard: 1 })
    await until('the second is back', async () => bot.fake.gateway.identifies === identifies + 1, 20_000)
    await bot.ask(bot.ada, there[1]?.channel ?? bot.channel, `<@${bot.fake.world.bot.id}> hello`)
    expect(reads()).toBe(before)
    bot.fake.gateway.invalidate({ resumable: false, shard: 0 })
    await until('it is answered', async () => bot.fake.sentTo(bot.dm).length === 2, 20_000)
    expect(reads()).toBe(before + 1)
  })
})

it('too many servers for one connection: it says what to set, and keeps trying seldom', async () => {
  const bot = await startDiscordBot({
    before: fake => {
      fake.gateway.mostGuilds = 1
      guildOn(fake, 0)
    },
  })
  const failed = await until('it is logged', async () =>
    bot.logged.find(each => each['outcome'] === 'sharding required'),
  )
  expect(failed['event']).toBe('discord_login_failed')
  await bot.close()
})

describe('a login on several connections', () => {
  let fake: FakeDiscord
  afterEach(() => fake.stop())

  async function login(shard: [number, number]): Promise<number | 'invalid' | 'ready'> {
    const socket = new WebSocket(`${fake.gateway.url}/?v=10&encoding=json`)
    const received: { op: number; t: string | null }[] = []
    socket.on('message', (data: Buffer) =>
      received.push(JSON.parse(data.toString('utf8')) as (typeof received)[number]),
    )
    const closed = once(socket, 'close').then(([code]) => code as number)
    await until('hello', async () => received.some(each => each.op === 10))
    const properties = { os: 'a', browser: 'b', device: 'c' }
    const d = { token: fake.application.token, intents: Intent.guilds, properties, shard }
    socket.send(JSON.stringify({ op: 2, d }))
    const answered = until('an answer', async () => {
      if (received.some(each => each.op === 9)) return 'invalid' as const
      return received.some(each => each.t === 'READY') && ('ready' as const)
    })
    return Promise.race([closed, answered])
  }

  it('is refused with 4011 when there are too many servers for so few', async () => {
    fake = await FakeDiscord.start()
    fake.gateway.mostGuilds = 1
    guildOn(fake, 0)
    guildOn(fake, 1)
    expect(await login([0, 1])).toBe(4011)
    expect(await login([0, 2])).toBe('ready')
  })

  it('is invalid when it comes sooner than Discord lets so many in', async () => {
    fake = await FakeDiscord.start()
    fake.gateway.watchesPace = true
    expect(await login([0, 2])).toBe('ready')
    expect(await login([1, 2])).toBe('invalid')
  })
})
