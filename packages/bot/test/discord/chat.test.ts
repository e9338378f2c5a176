import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../../../test-support/until.ts'
import type { DiscordApp } from '../../src/platforms/discord/parts.ts'
import { startDiscordBot, type DiscordBot } from '../support/discord-bot.ts'
import { Permission } from '../support/fake-discord/world.ts'

const CREATE = 'POST /channels/:channel/messages'

describe('the bot on Discord', () => {
  let bot: DiscordBot

  beforeEach(async () => {
    bot = await startDiscordBot()
    await bot.connected()
  })
  afterEach(() => bot.close())

  const turns = async () =>
    (
      await bot.database.query<{ conversation_id: string; user_id: string; author: string; text: string }>(
        'select conversation_id, user_id, author, text from conversation_turns order by turn_id',
      )
    ).rows

  it('answers in a direct message, and remembers whose and where', async () => {
    const [answer] = await bot.ask(bot.ada, bot.dm, 'hi, I am Ada')
    expect(answer).toContain('Ada')
    const place = { conversation_id: `discord:${bot.dm.id}`, user_id: `discord:${bot.ada.id}` }
    expect(await turns()).toMatchObject([
      { ...place, author: 'user', text: 'hi, I am Ada' },
      { ...place, author: 'bot' },
    ])
    expect(bot.fake.journal[0]).toMatchObject({ replyTo: undefined, pings: [] })
  })

  it('answers a mention with a reply that rings nobody, and takes the mention out of what was said', async () => {
    await bot.ask(bot.ada, bot.channel, `<@${bot.fake.world.bot.id}> I play the cello with <@${bot.bo.id}>`)
    expect((await turns())[0]).toMatchObject({ text: 'I play the cello with @bo' })
    expect(bot.fake.journal).toMatchObject([{ channelId: bot.channel.id, pings: [] }])
    expect(bot.fake.journal[0]?.replyTo).toBeDefined()
  })

  it('answers an answer to what it said, without a mention', async () => {
    await bot.ask(bot.ada, bot.channel, `<@${bot.fake.world.bot.id}> hello`)
    const replyTo = bot.fake.journal[0]?.messageId ?? ''
    bot.fake.say(bot.bo, bot.channel, 'hello from me too', { replyTo, pingReplied: false })
    await until('a second answer', async () => bot.fake.journal.length === 2)
  })

  it('stays out of the talk of others, of other bots, and of commands of other bots', async () => {
    const other = bot.fake.world.addUser('other-bot', { bot: true })
    bot.guild.members.set(other.id, [])
    bot.fake.say(bot.bo, bot.channel, 'nice weather')
    bot.fake.say(bot.bo, bot.channel, '!play a song')
    bot.fake.say(other, bot.channel, `<@${bot.fake.world.bot.id}> hello`)
    bot.fake.say(other, bot.channel, '!help')
    await bot.ask(bot.ada, bot.channel, '!help')
    expect(bot.fake.journal).toHaveLength(1)
    expect((await turns()).map(each => each.user_id)).toEqual([`discord:${bot.ada.id}`, `discord:${bot.ada.id}`])
  })

  it('takes commands with the prefix, and by name behind a mention; a plain word behind a mention is talk', async () => {
    expect((await bot.ask(bot.ada, bot.channel, '!help')).join()).toContain('followup_settings')
    const me = `<@${bot.fake.world.bot.id}>`
    expect((await bot.ask(bot.ada, bot.channel, `${me} job_status`)).join()).toContain('administrator permissions')
    expect((await bot.ask(bot.ada, bot.channel, `${me} help`)).join()).toContain('followup_settings')
    expect((await bot.ask(bot.ada, bot.channel, `${me} help me with my cello`)).join()).toContain('cello')
    expect((await bot.ask(bot.ada, bot.dm, '!nonsense')).join()).toContain('I know no command')
  })

  it('an administrator is who may manage the server, there; a direct message makes nobody one', async () => {
    expect((await bot.ask(bot.ada, bot.channel, '!job_status')).join()).toContain('administrator permissions')
    const olga = bot.fake.person('olga', bot.guild)
    bot.fake.grant(bot.guild, olga.id, Permission.manageGuild)
    await bot.restartDoor()
    expect((await bot.ask(olga, bot.channel, '!job_status')).join()).toContain('Job Scheduler Status')
    expect((await bot.ask(olga, bot.fake.world.dmWith(olga.id), '!job_status')).join()).toContain(
      'administrator permissions',
    )
  })

  it('schedules for a member who is mentioned, and for nobody of another server', async () => {
    const { guild: elsewhere } = bot.fake.guild('Elsewhere')
    const eve = bot.fake.person('eve', elsewhere)
    await bot.ask(bot.ada, bot.dm, 'hi, I am Ada')
    await bot.ask(eve, bot.fake.world.dmWith(eve.id), 'hi, I am Eve')
    const olga = bot.fake.person('olga', bot.guild)
    bot.fake.grant(bot.guild, olga.id, Permission.manageGuild)
    await bot.restartDoor()
    const answer = (await bot.ask(olga, bot.channel, `!schedule_followup <@${bot.ada.id}> 24`)).join()
    expect(answer).toContain('Job ID')
    expect(bot.fake.journal.at(-1)?.pings).toEqual([])
    for (const eveIs of [`<@${eve.id}>`, `discord:${eve.id}`, 'eve'])
      expect((await bot.ask(olga, bot.channel, `!schedule_followup ${eveIs} 24`)).join()).toContain(
        'mention a valid user',
      )
    const [{ job_id: job } = { job_id: '' }] = (
      await bot.database.query<{ job_id: string }>('select job_id from scheduled_jobs')
    ).rows
    expect((await bot.ask(olga, bot.channel, `!job_status ${job}`)).join()).toContain('pending')
    const ben = bot.fake.person('ben', elsewhere)
    bot.fake.grant(elsewhere, ben.id, Permission.manageGuild)
    const there = bot.fake.world.addChannel({ guildId: elsewhere.id, name: 'there' })
    await bot.restartDoor()
    expect((await bot.ask(ben, there, `!job_status ${job}`)).join()).toContain('not found')
  })

  it('answers what is personal in private, wherever it was asked', async () => {
    await bot.ask(bot.ada, bot.channel, '!followup_settings status')
    await until('both are there', async () => bot.fake.journal.length === 2)
    expect(bot.fake.sentTo(bot.dm).join()).toContain('Follow-up Settings')
    expect(bot.fake.sentTo(bot.channel).join()).toBe('I have answered you in a direct message.')
    bot.ada.dmsClosed = true
    expect((await bot.ask(bot.ada, bot.channel, '!followup_settings status')).join()).toContain('slash command')
  })

  it('keeps the order of 200 messages in 20 channels, answers each, and loses none', async () => {
    const rooms = Array.from({ length: 20 }, (_, index) =>
      bot.fake.world.addChannel({ guildId: bot.guild.id, name: `room-${index}` }),
    )
    await bot.restartDoor()
    for (let n = 0; n < 10; n += 1)
      for (const room of rooms) bot.fake.say(bot.ada, room, `<@${bot.fake.world.bot.id}> number ${n} of ${room.name}`)
    await until('200 answers', async () => bot.fake.journal.length === 200, 55_000)
    for (const room of rooms) {
      const said = (await turns()).filter(
        each => each.conversation_id === `discord:${room.id}` && each.author === 'user',
      )
      expect(said.map(each => each.text)).toEqual(Array.from({ length: 10 }, (_, n) => `number ${n} of ${room.name}`))
      expect(bot.fake.sentTo(room)).toHaveLength(10)
      const asked = bot.fake.journal.filter(each => each.channelId === room.id).map(each => BigInt(each.replyTo ?? 0))
      expect(asked).toEqual(asked.toSorted((a, b) => (a < b ? -1 : 1)))
    }
  })

  it('takes whatever people write', async () => {
    const hostile = [
      '**bold** `code` ```block``` ~~gone~~ ||secret|| # title',
      '@everyone @here <@&100000000000000000> discord.gg/abc',
      '\u202Eright to left\u202C \u2066isolated\u2069',
      '\u200B\u200D\uFEFF',
      'long '.repeat(800),
      '🏳️‍🌈👩‍👩‍👧‍👦'.repeat(50),
      '\0\u0007 control',
      "'; drop table conversation_turns; --",
    ]
    for (const text of hostile) {
      const answers = await bot.ask(bot.ada, bot.dm, text)
      for (const answer of answers) {
        expect(answer.length).toBeLessThanOrEqual(2_000)
        expect(answer).not.toMatch(/@everyone|@here|discord\.gg/)
      }
    }
    expect(bot.fake.journal.flatMap(each => each.pings)).toEqual([])
    expect(bot.logged.filter(each => String(each['event']).endsWith('failed'))).toEqual([])
  })

  it('tries an answer again when Discord stumbles, and it is there once', async () => {
    bot.fake.faults.add(CREATE, { kind: 'status', status: 500, when: 'after' })
    bot.fake.faults.add(CREATE, { kind: 'cut', when: 'after' })
    await bot.ask(bot.ada, bot.dm, 'hello')
    await until('three tries', async () => bot.fake.requests.filter(each => each.route === CREATE).length === 3)
    await bot.ask(bot.ada, bot.dm, 'and again')
    expect(bot.fake.journal).toHaveLength(2)
  })

  it('an answer nobody can get is given up, and the next one comes', async () => {
    bot.fake.faults.add(CREATE, { kind: 'code', code: 50_013 })
    bot.fake.say(bot.ada, bot.dm, 'hello')
    await until('it is logged', async () => bot.logged.some(each => each['event'] === 'discord_reply_failed'))
    await bot.ask(bot.ada, bot.dm, 'are you there?')
  })

  it('changes what it remembers when people change or take back what they said', async () => {
    const said = bot.fake.say(bot.ada, bot.dm, 'I play the chello')
    await until('an answer', async () => bot.fake.journal.length === 1)
    bot.fake.edit(said, 'I play the cello')
    await until('it is changed', async () => (await turns())[0]?.text === 'I play the cello')
    bot.fake.remove(said)
    await until('it is gone', async () => (await turns())[0]?.text === '')
    bot.fake.edit(said, 'back again?')
    await bot.ask(bot.ada, bot.dm, 'hello')
    expect((await turns())[0]?.text).toBe('')
  })

  it('a message that comes again after a resume is answered once', async () => {
    await bot.ask(bot.ada, bot.dm, 'hello')
    bot.fake.gateway.replayedAgain = 10
    bot.fake.gateway.cut()
    await until('it says so', async () => bot.door.state === 'connecting')
    await until('it has resumed', async () => bot.fake.gateway.resumes === 1)
    await bot.ask(bot.ada, bot.dm, 'still there?')
    expect(bot.door.state).toBe('connected')
    expect(bot.fake.journal).toHaveLength(2)
  })

  it('reads after a gap what it was not told: a stop that was said meanwhile counts', async () => {
    await bot.ask(bot.ada, bot.dm, 'hi, I am Ada')
    bot.fake.gateway.lose('MESSAGE_CREATE', 1)
    bot.fake.say(bot.ada, bot.dm, 'stop')
    bot.fake.gateway.invalidate({ resumable: false })
    await until('the stop is answered', async () =>
      bot.fake.sentTo(bot.dm).some(text => text.includes('Follow-ups are off')),
    )
  })

  it('answers after a restart what was written to it meanwhile, once', async () => {
    await bot.ask(bot.ada, bot.dm, 'hi, I am Ada')
    await bot.restartDoor(() => bot.fake.say(bot.ada, bot.dm, 'I play the cello'))
    await until('it is answered', async () => bot.fake.journal.length === 2)
    await bot.restartDoor()
    await bot.ask(bot.ada, bot.dm, 'my recital is on Friday')
    expect(bot.fake.journal).toHaveLength(3)
  })

  it('does not show itself typing when the answer is there at once', async () => {
    await bot.ask(bot.ada, bot.dm, 'hello')
    expect(bot.fake.typing).toEqual([])
  })
})

describe('what Discord does not grant', () => {
  it('no Message Content intent: it starts with one warning, hears mentions and direct messages, and no bare commands', async () => {
    const bot = await startDiscordBot({ before: fake => (fake.application.messageContent = false) })
    await bot.connected()
    expect(bot.door.hasMessageContent).toBe(false)
    expect(bot.logged.filter(each => each['event'] === 'discord_without_content')).toHaveLength(1)
    bot.fake.say(bot.ada, bot.channel, '!help')
    expect((await bot.ask(bot.ada, bot.channel, `<@${bot.fake.world.bot.id}> hello`)).length).toBe(1)
    expect((await bot.ask(bot.ada, bot.dm, '!help')).join()).toContain('followup_settings')
    expect(bot.fake.sentTo(bot.channel)).toHaveLength(1)
    await bot.close()
  })

  it('an answer that takes its time: it shows that it types until it is there', async () => {
    let finish = () => {}
    const done = new Promise<void>(resolve => (finish = resolve))
    const handle: DiscordApp['chat']['handle'] = async message => {
      await done
      const { conversationId, userId } = message
      const reply = {
        turnId: 1,
        conversationId,
        userId,
        author: 'bot',
        kind: 'chat',
        text: 'x',
        sentAt: new Date(),
      } as const
      return { reply, planned: undefined, credited: undefined }
    }
    const bot = await startDiscordBot({ more: { chat: { handle } } })
    await bot.connected()
    bot.fake.say(bot.ada, bot.dm, 'a hard question')
    await until('it types', async () => bot.fake.typing.length === 1)
    expect(bot.fake.journal).toEqual([])
    finish()
    await until('it has answered', async () => bot.fake.journal.length === 1)
    await bot.close()
  })

  it('a wrong token: it says so and leaves the rest alone', async () => {
    const bot = await startDiscordBot({ settings: () => ({ DISCORD_TOKEN: 'wrong.wrong.wrong' }) })
    await until('it is refused', async () => bot.door.state === 'token refused')
    expect(bot.logged.map(each => each['event'])).toContain('discord_token_refused')
    expect(bot.fake.gateway.identifies).toBe(0)
    await bot.close()
  })

  it('a token revoked while it runs', async () => {
    const bot = await startDiscordBot()
    await bot.connected()
    bot.fake.revokeToken()
    await until('it is refused', async () => bot.door.state === 'token refused')
    await bot.close()
  })

  it('no Discord at all for a while: it keeps trying', async () => {
    const bot = await startDiscordBot({
      before: fake => fake.faults.add('GET /gateway/bot', { kind: 'cut', when: 'before' }, 2),
    })
    await bot.connected()
    expect(bot.logged.filter(each => each['event'] === 'discord_login_failed').length).toBeGreaterThan(0)
    await bot.close()
  })

  it('a channel of its own: it answers there without being mentioned', async () => {
    const bot = await startDiscordBot({ settings: ({ channel }) => ({ DISCORD_CHAT_CHANNEL_IDS: channel.id }) })
    await bot.connected()
    await bot.ask(bot.ada, bot.channel, 'I play the cello')
    const thread = bot.fake.world.addChannel({ guildId: bot.guild.id, name: 'a thread', parentId: bot.channel.id })
    const elsewhere = bot.fake.world.addChannel({ guildId: bot.guild.id, name: 'elsewhere' })
    await bot.restartDoor()
    bot.fake.say(bot.ada, elsewhere, 'not for you')
    await bot.ask(bot.bo, thread, 'and I the drums')
    expect(bot.fake.sentTo(elsewhere)).toEqual([])
    await bot.close()
  })
})
