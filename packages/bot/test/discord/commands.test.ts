import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../../../test-support/until.ts'
import { asCommand } from '../../src/platforms/discord/inbound.ts'
import { areSame, slashCommandsOf } from '../../src/platforms/discord/slash-commands.ts'
import { readPress } from '../../src/platforms/discord/buttons.ts'
import type { Command } from '../../src/commands/command.ts'
import { startDiscordBot, type DiscordBot } from '../support/discord-bot.ts'
import type { CommandUse } from '../support/fake-discord/interactions.ts'
import { readable } from '../support/fake-discord/readable.ts'
import { Permission } from '../support/fake-discord/world.ts'

const PUT = 'PUT /applications/:application/commands'

let bot: DiscordBot
const begin = async (options?: Parameters<typeof startDiscordBot>[0]) => {
  bot = await startDiscordBot(options)
  await bot.connected()
  await until('commands are registered', async () => bot.fake.interactions.commandsOf(undefined).length > 0)
}

describe('slash commands', () => {
  beforeEach(() => begin())
  afterEach(() => bot.close())

  type More = Partial<Omit<CommandUse, 'name'>>
  const use = (name: string, more: More = {}) =>
    bot.fake.interactions.use({ userId: bot.ada.id, channelId: bot.channel.id, name, ...more }).answered
  const told = async (name: string, more?: More) => readable(await use(name, more))

  it('are registered once, and again only when they have changed', async () => {
    const puts = () => bot.fake.requests.filter(each => each.route === PUT).length
    expect(puts()).toBe(1)
    await bot.restartDoor()
    await until(
      'it has looked',
      async () => bot.logged.filter(each => each['event'] === 'discord_commands').length === 2,
    )
    expect(puts()).toBe(1)
    bot.fake.interactions.replaceCommands(undefined, bot.fake.interactions.commandsOf(undefined).slice(1))
    await bot.restartDoor()
    await until('it has registered', async () => puts() === 2)
  })

  it('answer the asker alone, with what the same words typed would say', async () => {
    const answer = await use('followup_settings', { subcommand: 'off' })
    expect(answer).toMatchObject({ ephemeral: true, content: expect.stringContaining('Follow-ups are off') })
    const { rows } = await bot.database.query<{ text: string }>(
      "select text from conversation_turns where author = 'user' and kind = 'command'",
    )
    expect(rows).toEqual([{ text: '!followup_settings off' }])
    expect((await use('help')).content).toContain('followup_settings')
    expect(await told('followup_settings', { subcommand: 'status', channelId: bot.dm.id })).toContain(
      'Follow-up Settings: off',
    )
  })

  it('for administrators are offered to them alone, and in servers alone', async () => {
    await expect(async () => use('job_status')).rejects.toThrow(/not offered to/)
    bot.fake.grant(bot.guild, bot.ada.id, Permission.manageGuild)
    expect(await told('job_status')).toContain('Job Scheduler Status')
    await expect(async () => use('job_status', { channelId: bot.dm.id })).rejects.toThrow(/not offered here/)
  })

  it('schedule for the person picked, if they are of this server', async () => {
    bot.fake.grant(bot.guild, bot.ada.id, Permission.manageGuild)
    await bot.ask(bot.bo, bot.fake.world.dmWith(bot.bo.id), 'hi, I am Bo')
    const answer = await told('schedule_followup', { options: { user: bot.bo.id, hours: '2d' } })
    expect(answer).toMatch(/scheduled\nFor: bo\nWhen: <t:\d+:F> \(<t:\d+:R>\)\nJob ID: `[0-9a-f-]{36}`/)
    bot.guild.members.delete(bot.bo.id)
    expect((await use('schedule_followup', { options: { user: bot.bo.id } })).content).toContain('mention a valid user')
    expect((await use('schedule_followup', { options: { user: bot.ada.id, hours: 'soon' } })).content).toContain(
      'expected',
    )
  })

  it('complete ids of jobs: to an administrator of a server those about its members, to an owner all', async () => {
    bot.fake.grant(bot.guild, bot.ada.id, Permission.manageGuild)
    const elsewhere = bot.fake.guild('Elsewhere').guild
    const cy = bot.fake.person('cy', elsewhere)
    await bot.app.scheduleFollowUpMessage({ userId: `discord:${bot.bo.id}`, requestedBy: 'discord:somebody-else' })
    await bot.app.scheduleFollowUpMessage({ userId: `discord:${cy.id}`, requestedBy: `discord:${bot.ada.id}` })
    await bot.app.scheduler?.scheduleJob('about_nobody', { delay: '1h' })
    const typing = { userId: bot.ada.id, channelId: bot.channel.id, name: 'job_status', options: { id: '' } }
    const { choices } = await bot.fake.interactions.complete(typing, 'id').answered
    expect(choices).toHaveLength(1)
    expect(choices[0]?.name).toContain('follow_up_message')
    const id = String(choices[0]?.value)
    expect(await told('job_status', { options: { id } })).toContain(id)
    const none = await bot.fake.interactions.complete({ ...typing, options: { id: 'zzzz' } }, 'id').answered
    expect(none.choices).toEqual([])
    await bot.close()
    await begin({ settings: ({ ada }) => ({ ADMIN_USER_IDS: ada.id }) })
    bot.fake.grant(bot.guild, bot.ada.id, Permission.manageGuild)
    await bot.app.scheduler?.scheduleJob('about_nobody', { delay: '1h' })
    const all = {
      userId: bot.ada.id,
      channelId: bot.channel.id,
      name: 'job',
      subcommand: 'cancel',
      options: { id: '' },
    }
    expect((await bot.fake.interactions.complete(all, 'id').answered).choices).toHaveLength(1)
  })

  it('that Discord hands in too late are let go, and the next is answered', async () => {
    bot.fake.faults.add('POST /interactions/:interaction/:token/callback', { kind: 'code', code: 10_062 })
    bot.fake.interactions.use({ userId: bot.ada.id, channelId: bot.channel.id, name: 'help' })
    await until('it is logged', async () => bot.logged.some(each => each['event'] === 'discord_interaction_lost'))
    expect((await use('help')).content).toContain('followup_settings')
  })
})

describe('buttons', () => {
  afterEach(() => bot.close())

  async function followUp(): Promise<string> {
    const sent = await bot.door.platform.send(
      {
        userId: `discord:${bot.ada.id}`,
        conversationId: `discord:${bot.dm.id}`,
        text: 'How was your recital?',
        nonce: 'abcdefghijklmnopqrstuv',
        followUpId: 42,
        actions: ['stop', 'later', 'why'],
      },
      new AbortController().signal,
    )
    return sent.platformMessageId
  }
  const press = (messageId: string, customId: string, more: { userId?: string; forged?: boolean } = {}) =>
    bot.fake.interactions.press({ userId: bot.ada.id, messageId, customId, ...more }).answered

  it('under a follow-up do what they say, after a restart too, and answer the presser alone', async () => {
    await begin()
    const messageId = await followUp()
    expect(await press(messageId, 'fu:why:42')).toMatchObject({ content: 'done: why 42', ephemeral: true })
    await bot.restartDoor()
    await press(messageId, 'fu:stop:42')
    await press(messageId, 'fu:stop:42')
    expect(bot.presses).toMatchObject([
      { userId: `discord:${bot.ada.id}`, conversationId: `discord:${bot.dm.id}`, followUpId: 42, action: 'why' },
      { action: 'stop' },
      { action: 'stop' },
    ])
    expect(new Set(bot.presses.map(each => each.messageId)).size).toBe(3)
  })

  it('that are forged or nobody’s are answered politely, and do nothing', async () => {
    await begin()
    const messageId = await followUp()
    for (const customId of ['fu:erase:42', 'fu:stop:0', 'fu:stop:42:7', 'fu:stop:-1', 'x', `fu:stop:${'9'.repeat(30)}`])
      expect((await press(messageId, customId, { forged: true })).content).toContain('not one of mine')
    expect(bot.presses).toEqual([])
  })

  it('whose work fails say so', async () => {
    await begin({ more: { onAction: () => Promise.reject(new Error('no database')) } })
    expect((await press(await followUp(), 'fu:stop:42')).content).toContain('Something went wrong')
    expect(bot.logged.map(each => each['event'])).toContain('discord_interaction_failed')
  })

  it('ask for consent once it is due, and take the answer of the one who was asked', async () => {
    const answers: object[] = []
    await begin({
      more: {
        consentQuestion: async ({ text }) =>
          text === 'I play the cello' ? { text: 'May I write to you by myself?', language: 'en' } : undefined,
        onConsent: async answer => {
          answers.push(answer)
          return 'Thank you.'
        },
      },
    })
    await bot.ask(bot.ada, bot.dm, 'hello')
    bot.fake.say(bot.ada, bot.dm, 'I play the cello')
    const asked = await until('the question', async () => bot.fake.journal.find(each => each.customIds.length === 2))
    expect(asked).toMatchObject({ content: 'May I write to you by myself?' })
    const yes = `consent:yes:discord:${bot.ada.id}`
    expect((await press(asked.messageId, yes, { userId: bot.bo.id })).content).toContain('somebody else')
    expect((await press(asked.messageId, yes)).content).toBe('Thank you.')
    expect(answers).toMatchObject([{ userId: `discord:${bot.ada.id}`, granted: true, locale: 'en-US' }])
  })
})

it('a follow-up is witnessed by the gateway too, when its answer is lost', async () => {
  await begin()
  bot.fake.faults.add('POST /channels/:channel/messages', { kind: 'cut', when: 'after' })
  const nonce = 'abcdefghijklmnopqrstuv'
  const message = {
    userId: `discord:${bot.ada.id}`,
    conversationId: `discord:${bot.dm.id}`,
    text: 'x',
    nonce,
    followUpId: 1,
    actions: [],
  }
  await expect(bot.door.platform.send(message, new AbortController().signal)).rejects.toMatchObject({
    failure: 'uncertain',
  })
  await until('it is seen', async () => bot.witnessed.length === 1)
  const conversationId = `discord:${bot.dm.id}`
  expect(bot.witnessed).toEqual([{ nonce, platformMessageId: bot.fake.journal[0]?.messageId, conversationId }])
  await bot.ask(bot.ada, bot.dm, 'hello')
  expect(bot.witnessed).toHaveLength(1)
  await bot.close()
})

describe('a command of somebody else’s making', () => {
  const command = (more: Partial<Command>): Command => ({
    name: 'job_list',
    usage: '[status]',
    about: 'x'.repeat(150),
    adminOnly: false,
    run: () => Promise.resolve(''),
    ...more,
  })

  it('without a form gets one line of text, and a description that fits', () => {
    const [slash] = slashCommandsOf([command({})])
    expect(slash?.description).toHaveLength(100)
    expect(slash?.options).toMatchObject([{ name: 'arguments', description: '[status]' }])
    expect(slashCommandsOf([command({ usage: '' })])[0]?.options).toEqual([])
  })

  it('is the same as Discord gives it back, and differs when anything does', () => {
    const wanted = slashCommandsOf([
      command({ options: [{ name: 'id', about: 'An id', kind: 'job', required: true }] }),
    ])
    const [one] = wanted
    const given = [
      {
        ...one,
        id: '1',
        version: '2',
        nsfw: false,
        options: [{ type: 3, name: 'id', description: 'An id', required: true, autocomplete: true, max_length: 300 }],
      },
    ]
    expect(areSame(given, wanted)).toBe(true)
    expect(areSame([], wanted)).toBe(false)
    for (const change of [
      { description: 'y' },
      { contexts: [0] },
      { default_member_permissions: '32' },
      { options: [] },
      { name: 'z' },
    ])
      expect(areSame([{ ...given[0], ...change }], wanted)).toBe(false)
  })

  it('is told from talk', () => {
    const parts = { prefix: '!', commands: [command({}), command({ name: 'help' })] }
    const read = (text: string, mentioned = false) => asCommand(text, { ...parts, mentioned })
    expect(read('!job_list all')).toBe('!job_list all')
    expect(read('!job list')).toBe('!job list')
    expect(read('!play')).toBeUndefined()
    expect(read('!play', true)).toBe('!play')
    expect(read('!!!', true)).toBeUndefined()
    expect(read('job_list all')).toBeUndefined()
    expect(read('job_list all', true)).toBe('!job_list all')
    expect(read('help', true)).toBe('!help')
    expect(read('help me', true)).toBeUndefined()
  })
})

it.each([
  ['fu:stop:7', { about: 'follow-up', action: 'stop', followUpId: 7 }],
  ['consent:no:discord:100000000000000000', { about: 'consent', granted: false, userId: 'discord:100000000000000000' }],
  ['consent:yes:web:ada', undefined],
  ['fu:stop:7 ', undefined],
  ['', undefined],
])('%j asks for %j', (customId, press) => {
  expect(readPress(customId)).toEqual(press)
})
