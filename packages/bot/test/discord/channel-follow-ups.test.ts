import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../../../test-support/until.ts'
import { findProfile } from '../../src/users/profile-store.ts'
import { startDiscordBot, type DiscordBot } from '../support/discord-bot.ts'
import type { FakeChannel, FakeUser } from '../support/fake-discord/world.ts'
import { Permission } from '../support/fake-discord/world.ts'

const CREATE = 'POST /channels/:channel/messages'
const CHANNEL = 'GET /channels/:channel'

let bot: DiscordBot
afterEach(() => bot.close())

/** Ada has said yes, has talked alone with the bot and in the channel, and wants follow-ups there. */
async function begin({ chooses = true } = {}): Promise<void> {
  bot = await startDiscordBot({
    settings: () => ({ FOLLOW_UP_QUIET_HOURS: 'off' }),
    more: { onAction: async press => (await bot.app.chat.press(press)).reply?.text ?? '' },
  })
  await bot.connected()
  await until('commands are registered', async () => bot.fake.interactions.commandsOf(undefined).length > 0)
  await bot.ask(bot.ada, bot.dm, '!followup_settings on')
  for (const text of ['hi, I am Ada', 'I have debts', 'my divorce is on Monday']) await bot.ask(bot.ada, bot.dm, text)
  for (const text of ['I play chess', 'my tournament is on Friday']) await talk(bot.ada, text)
  if (chooses) await choose('here')
}
const talk = (who: FakeUser, text: string, where = bot.channel) =>
  bot.ask(who, where, `<@${bot.fake.world.bot.id}> ${text}`)
const choose = (where: string, channel: FakeChannel = bot.channel) =>
  bot.fake.interactions.use({
    userId: bot.ada.id,
    channelId: channel.id,
    name: 'followup_settings',
    subcommand: 'place',
    options: { where },
  }).answered

/** One that is asked for is due at once. */
const askFor = () => bot.app.scheduleFollowUpMessage({ userId: `discord:${bot.ada.id}`, delayHours: 0 })
/** Runs what is due, after time enough for whatever was put off. */
async function run(): Promise<void> {
  await bot.database.query(
    "update scheduled_jobs set scheduled_time = now() - interval '1 second' where status = 'pending' and payload->>'automatic' = 'false'",
  )
  await bot.app.scheduler?.runDueJobs()
}
async function followUp(): Promise<void> {
  await askFor()
  await run()
}
const sent = () => bot.fake.journal.filter(each => each.customIds.some(id => id.startsWith('fu:')))
const outbox = async () =>
  (
    await bot.database.query<Record<string, unknown>>(
      'select state, failure_code, in_channel, attempts, deduplicated from follow_up_history order by id',
    )
  ).rows
const adasPlace = async () => (await findProfile(bot.database, `discord:${bot.ada.id}`))?.followUpPlace
const consent = async () =>
  (await bot.database.query<{ kind: string }>('select kind from consent_events order by event_id')).rows.map(
    ({ kind }) => kind,
  )
const later = (ms: number) => {
  bot.fake.world.advance(ms)
  return bot.database.query(
    `update follow_up_history set attempted_at = attempted_at - $1::float8 * interval '1 millisecond'`,
    [ms],
  )
}

describe('a follow-up in the channel its person chose', () => {
  it('mentions that person alone, has its buttons, and holds nothing of what was said in private', async () => {
    await begin()
    await followUp()
    expect(sent()).toHaveLength(1)
    const [{ content, customIds, ...message } = { content: '', customIds: [] }] = sent()
    expect(message).toMatchObject({ channelId: bot.channel.id, pings: [bot.ada.id], silent: false })
    expect(customIds.map(id => id.split(':')[1])).toEqual(['stop', 'later', 'why'])
    expect(content).toMatch(new RegExp(`^<@${bot.ada.id}> .*(tournament|chess)`))
    expect(content).not.toMatch(/debt|divorce/)
    expect(await outbox()).toMatchObject([{ state: 'sent', in_channel: true }])
    expect(bot.fake.sentTo(bot.dm).join('\n')).not.toMatch(/tournament|chess/)
  })

  it('rings nobody else, whatever its words are', async () => {
    await begin()
    const { door, bo, guild, channel, ada } = bot
    const text = `hi <@${bo.id}> @everyone <@&${guild.id}>`
    const signal = new AbortController().signal
    const more = { nonce: 'abcdefghijklmnopqrstuv', followUpId: 7, actions: [], inChannel: true, text }
    await door.platform.send({ userId: `discord:${ada.id}`, conversationId: `discord:${channel.id}`, ...more }, signal)
    expect(bot.fake.journal.at(-1)).toMatchObject({ channelId: channel.id, pings: [ada.id] })
  })

  it('is for its person: somebody else’s press changes nothing, and only they see the refusal', async () => {
    await begin()
    await followUp()
    const [{ messageId, customIds } = { messageId: '', customIds: [] }] = sent()
    const press = (who: FakeUser, action: string) => {
      const customId = customIds.find(id => id.startsWith(`fu:${action}`)) ?? ''
      return bot.fake.interactions.press({ userId: who.id, messageId, customId }).answered
    }
    for (const action of ['stop', 'later', 'why'])
      expect(await press(bot.bo, action)).toMatchObject({
        ephemeral: true,
        content: expect.stringContaining('That is no message I sent to you'),
      })
    expect(await consent()).toEqual(['granted'])
    expect(await press(bot.ada, 'stop')).toMatchObject({ content: expect.stringContaining('Follow-ups are off') })
    expect(await consent()).toEqual(['granted', 'revoked'])
  })

  it('is there once when its answer is lost, and asked for again with the same words', async () => {
    await begin()
    bot.fake.faults.add(CREATE, { kind: 'cut', when: 'after' })
    await followUp()
    expect(await outbox()).toMatchObject([{ state: 'uncertain', attempts: 1 }])
    await run()
    expect(await outbox()).toMatchObject([{ state: 'sent', attempts: 2 }])
    expect(sent()).toHaveLength(1)
  })

  it('is looked for in that channel when the nonce is forgotten', async () => {
    await begin()
    bot.fake.faults.add(CREATE, { kind: 'cut', when: 'after' })
    await followUp()
    await later(3_600_000)
    await talk(bot.bo, 'good morning')
    await run()
    expect(await outbox()).toMatchObject([{ state: 'sent', attempts: 1 }])
    expect(sent()).toHaveLength(1)
  })

  it('is not sent on a guess where the bot may not read what was said', async () => {
    await begin()
    bot.fake.faults.add(CREATE, { kind: 'cut', when: 'after' })
    await followUp()
    bot.channel.denied = Permission.readMessageHistory
    await later(3_600_000)
    await run()
    expect(await outbox()).toMatchObject([{ state: 'uncertain', attempts: 1 }])
    expect(sent()).toHaveLength(1)
  })

  it.each<[string, string, () => void]>([
    ['it may not write', 'missing_permissions', () => (bot.channel.denied = Permission.sendMessages)],
    ['it may not look', 'missing_access', () => (bot.channel.denied = Permission.viewChannel)],
    ['is gone', 'unknown_channel', () => bot.fake.world.channels.delete(bot.channel.id)],
    ['its person has left', 'unknown_member', () => bot.guild.members.delete(bot.ada.id)],
  ])('in which %s any more ends, and goes nowhere else', async (_, code, happens) => {
    await begin()
    const before = bot.fake.journal.length
    happens()
    await followUp()
    expect(await outbox()).toMatchObject([{ state: 'failed', failure_code: code }])
    expect(await adasPlace()).toBe('none')
    await followUp()
    expect(await outbox()).toMatchObject([{ state: 'failed' }, { state: 'withheld' }])
    expect(bot.fake.journal).toHaveLength(before)
  })

  it('waits when the way to the channel is not clear, and when they have written alone what was not heard', async () => {
    await begin()
    bot.fake.faults.add(CHANNEL, { kind: 'status', status: 500, when: 'before' })
    await followUp()
    expect(await outbox()).toMatchObject([{ state: 'prepared' }])
    expect(await adasPlace()).toBe(`discord:${bot.channel.id}`)
    bot.fake.gateway.lose('MESSAGE_CREATE')
    bot.fake.say(bot.ada, bot.dm, 'stop')
    await run()
    await until('the stop is heard', async () =>
      bot.fake.sentTo(bot.dm).some(text => text.includes('Follow-ups are off')),
    )
    await run()
    expect(sent()).toEqual([])
  })

  it('never goes to a conversation that is no channel of a server', async () => {
    await begin()
    const bos = bot.fake.world.dmWith(bot.bo.id)
    await bot.database.query('update user_profiles set follow_up_place = $1::text', [`discord:${bos.id}`])
    await followUp()
    expect(await outbox()).toMatchObject([{ state: 'failed', failure_code: 'unknown_channel' }])
    expect(sent()).toEqual([])
  })
})

describe('choosing a place', () => {
  it('is done in the channel itself, typed or by its form, and seen by whoever chose alone', async () => {
    await begin({ chooses: false })
    expect(await adasPlace()).toBeUndefined()
    const form = await choose('here')
    expect(form).toMatchObject({ ephemeral: true, content: expect.stringContaining(`<#${bot.channel.id}>`) })
    expect(await adasPlace()).toBe(`discord:${bot.channel.id}`)
    expect((await choose('dm')).content).toContain('direct messages')
    expect(await adasPlace()).toBeUndefined()
    const already = bot.fake.sentTo(bot.dm).length
    await bot.ask(bot.ada, bot.channel, '!followup_settings place here')
    expect(bot.fake.sentTo(bot.dm).slice(already).join('\n')).toContain(`<#${bot.channel.id}>`)
    expect(await adasPlace()).toBe(`discord:${bot.channel.id}`)
  })

  it('in direct messages is refused, by form and typed', async () => {
    await begin({ chooses: false })
    expect((await choose('here', bot.dm)).content).toContain('These are direct messages')
    expect((await bot.ask(bot.ada, bot.dm, '!followup_settings place here')).join('\n')).toContain(
      'These are direct messages',
    )
    expect(await adasPlace()).toBeUndefined()
  })

  it('is nobody’s but their own: others who choose there change nothing for them', async () => {
    await begin({ chooses: false })
    bot.fake.grant(bot.guild, bot.bo.id, Permission.administrator)
    await bot.ask(bot.bo, bot.channel, `!followup_settings place here <@${bot.ada.id}>`)
    await bot.ask(bot.bo, bot.channel, '!followup_settings place here')
    expect(await adasPlace()).toBeUndefined()
  })

  it('in a thread means the thread', async () => {
    await begin({ chooses: false })
    const thread = bot.fake.world.addChannel({ guildId: bot.guild.id, name: 'chess', parentId: bot.channel.id })
    await choose('here', thread)
    await followUp()
    expect(sent()).toMatchObject([{ channelId: thread.id, pings: [bot.ada.id] }])
    expect(sent()[0]?.content).not.toMatch(/debt|divorce|tournament|chess|Ada/)
  })
})
