import { afterEach, beforeEach, expect, it } from 'vitest'
import { until } from '../../../../test-support/until.ts'
import { startDiscordBot, type DiscordBot } from '../support/discord-bot.ts'
import type { FakeChannel } from '../support/fake-discord/world.ts'

const CHANNELS = 50
const EACH = 20

let bot: DiscordBot
let rooms: FakeChannel[]

beforeEach(async () => {
  bot = await startDiscordBot({
    before: fake => {
      const [guild] = fake.world.guilds.values()
      rooms = Array.from({ length: CHANNELS }, (_, n) =>
        fake.world.addChannel({ guildId: guild?.id ?? '', name: `room-${n}` }),
      )
    },
  })
  await bot.connected()
})
afterEach(() => bot.close())

it('a thousand messages in fifty channels at once: each is answered once, in order, and none is lost', async () => {
  const saidAt = new Map<string, number>()
  for (let n = 0; n < EACH; n += 1) {
    for (const room of rooms) {
      const { id, at } = bot.fake.say(bot.ada, room, `<@${bot.fake.world.bot.id}> number ${n} of ${room.name}`)
      saidAt.set(id, at)
    }
  }
  await until('every answer', async () => bot.fake.journal.length >= CHANNELS * EACH, 280_000)
  const { rows } = await bot.database.query<{ conversation_id: string; text: string }>(
    "select conversation_id, text from conversation_turns where author = 'user' order by turn_id",
  )
  for (const room of rooms) {
    const heard = rows.filter(each => each.conversation_id === `discord:${room.id}`).map(each => each.text)
    expect(heard).toEqual(Array.from({ length: EACH }, (_, n) => `number ${n} of ${room.name}`))
    const asked = bot.fake.journal.filter(each => each.channelId === room.id).map(each => BigInt(each.replyTo ?? 0))
    expect(asked).toHaveLength(EACH)
    expect(asked).toEqual(asked.toSorted((a, b) => (a < b ? -1 : 1)))
  }
  expect(new Set(bot.fake.journal.map(each => each.replyTo)).size).toBe(CHANNELS * EACH)
  const waits = bot.fake.journal.map(each => each.at - (saidAt.get(each.replyTo ?? '') ?? 0)).toSorted((a, b) => a - b)
  const share = (part: number) => `${((waits[Math.floor(waits.length * part)] ?? 0) / 1_000).toFixed(1)} s`
  process.stdout.write(
    `${CHANNELS * EACH} messages at once: answered after ${share(0.5)} (p50), ${share(0.99)} (p99)\n`,
  )
}, 300_000)
