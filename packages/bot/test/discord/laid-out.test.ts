import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../../../test-support/until.ts'
import { prepareFollowUp, markSent } from '../../src/followups/outbox-store.ts'
import { LANGUAGES } from '../../src/llm/language.ts'
import { consentButtons, followUpButtons } from '../../src/platforms/discord/buttons.ts'
import { startDiscordBot, type DiscordBot, type DiscordBotOptions } from '../support/discord-bot.ts'
import type { CommandUse } from '../support/fake-discord/interactions.ts'
import { readable } from '../support/fake-discord/readable.ts'
import { newMessage, parse } from '../support/fake-discord/shapes.ts'
import { Permission } from '../support/fake-discord/world.ts'

interface Embed {
  readonly title: string
  readonly color?: number
  readonly description?: string
  readonly fields?: readonly { readonly name: string; readonly value: string; readonly inline: boolean }[]
}

let bot: DiscordBot
afterEach(() => bot.close())

async function begin(options: DiscordBotOptions = {}): Promise<void> {
  bot = await startDiscordBot(options)
  await bot.connected()
  await until('commands are registered', async () => bot.fake.interactions.commandsOf(undefined).length > 0)
  bot.fake.grant(bot.guild, bot.ada.id, Permission.manageGuild)
}
const use = (name: string, more: Partial<CommandUse> = {}) =>
  bot.fake.interactions.use({ userId: bot.ada.id, channelId: bot.channel.id, name, ...more }).answered
const embedOf = async (name: string, more?: Partial<CommandUse>) => {
  const [embed] = (await use(name, more)).embeds as readonly Embed[]
  if (!embed) throw new Error('no embed')
  const { title, color, description = '' } = embed
  return {
    title,
    color,
    description,
    fields: Object.fromEntries((embed.fields ?? []).map(each => [each.name, each.value])),
  }
}
const TIME = /^<t:\d+:F> \(<t:\d+:R>\)$/
const [GREEN, RED, ORANGE] = [0x2e_cc_71, 0xe7_4c_3c, 0xe6_7e_22]

describe('the state of the scheduler', () => {
  it('is red while it is stopped, green while it runs, with a count per status', async () => {
    await begin()
    expect(await embedOf('job_status')).toMatchObject({
      title: 'Job Scheduler Status: 🔴 Stopped',
      color: RED,
      fields: { 'Last heartbeat': 'none', pending: '0', failed: '0', '24h Executions': '0', '24h Success Rate': 'n/a' },
    })
    await bot.app.start()
    await bot.app.scheduler?.scheduleJob('nobody_knows', { delay: '1h' })
    const { title, color, fields } = await embedOf('job_status')
    expect({ title, color }).toEqual({ title: 'Job Scheduler Status: 🟢 Running', color: GREEN })
    expect(fields).toMatchObject({
      pending: expect.not.stringMatching(/^0$/),
      Runners: '1',
      'Nobody handles': 'nobody_knows',
    })
    expect(fields['Last heartbeat']).toMatch(TIME)
    expect(fields['Next due']).toMatch(TIME)
  })
})

describe('one job', () => {
  it('is told with who asked for it, what became of its message, and where that is', async () => {
    await begin()
    await bot.ask(bot.bo, bot.fake.world.dmWith(bot.bo.id), 'hi, I am Bo')
    const { jobId } = await bot.app.scheduleFollowUpMessage({
      userId: `discord:${bot.bo.id}`,
      requestedBy: `discord:${bot.ada.id}`,
    })
    const conversationId = `discord:${bot.fake.world.dmWith(bot.bo.id).id}`
    const row = await prepareFollowUp(bot.database, {
      jobId,
      userId: `discord:${bot.bo.id}`,
      platform: 'discord',
      conversationId,
      inChannel: false,
      message: 'How are things?',
      contentHash: 'x',
      nonce: 'n',
      context: {},
      source: 'template',
      template: 'general',
      language: 'en',
      variant: undefined,
      delayHours: 1,
      automatic: false,
      silent: false,
      now: null,
    })
    const { title, color, fields } = await embedOf('job_status', { options: { id: jobId.slice(0, 8) } })
    expect({ title, color }).toEqual({ title: `Job Status: \`${jobId}\``, color: GREEN })
    expect(fields).toMatchObject({
      Type: 'follow_up_message',
      Status: 'pending',
      Scheduled: expect.stringMatching(TIME),
      Attempts: '0, retries 0 of 3',
      'Asked for by': `discord:${bot.ada.id}`,
      Outbox: 'prepared, 0 tries',
      'Gate (plan)': expect.stringMatching(/^deny, not_opted_in, <t:/),
    })
    await markSent(bot.database, { id: row.id, platformMessageId: '123456789012345678', deduplicated: true, at: null })
    expect((await embedOf('job_status', { options: { id: jobId } })).fields).toMatchObject({
      Outbox: 'sent, 0 tries, known to the platform before',
      Message: `https://discord.com/channels/@me/${conversationId.slice(8)}/123456789012345678`,
    })
  })

  it('that failed is red, and waits for its next try with the error of the last', async () => {
    await begin({ settings: ({ ada }) => ({ ADMIN_USER_IDS: ada.id }) })
    bot.app.scheduler?.registerHandler('fragile', () => {
      throw new Error('the string broke')
    })
    await bot.app.scheduler?.scheduleJob('fragile', { jobId: 'fragile-1', maxRetries: 1 })
    await bot.app.scheduler?.scheduleJob('fragile', { jobId: 'fragile-2', maxRetries: 0 })
    await bot.app.scheduler?.runDueJobs()
    const waiting = await embedOf('job_status', { options: { id: 'fragile-1' } })
    expect(waiting.fields).toMatchObject({ 'Next try': expect.stringMatching(TIME), Error: 'the string broke' })
    expect(waiting.fields['Status']).toBe('pending (last: failed)')
    expect(await embedOf('job_status', { options: { id: 'fragile-2' } })).toMatchObject({
      color: RED,
      fields: { Status: 'failed' },
    })
  })
})

describe('one’s own settings', () => {
  it('are changed by forms, a zone by what is suggested for it, and shown with times in the reader’s own zone', async () => {
    await begin()
    await bot.ask(bot.ada, bot.dm, 'hello')
    const typing = {
      userId: bot.ada.id,
      channelId: bot.channel.id,
      name: 'followup_settings',
      subcommand: 'timezone',
      options: { zone: 'lisb' },
    }
    const { choices } = await bot.fake.interactions.complete(typing, 'zone').answered
    expect(choices).toEqual([{ name: 'Europe/Lisbon', value: 'Europe/Lisbon' }])
    const set = async (subcommand: string, options = {}) =>
      readable(await use('followup_settings', { subcommand, options }))
    expect(await set('timezone', { zone: 'Europe/Lisbon' })).toContain('Your time zone is Europe/Lisbon')
    expect(await set('snooze', { span: '5d' })).toMatch(/until <t:\d+:F> \(<t:\d+:R>\)/)
    const { title, color, fields, description } = await embedOf('followup_settings', { subcommand: 'status' })
    expect({ title, color }).toEqual({ title: 'Follow-up Settings: off (you have not said yes)', color: ORANGE })
    expect(description).toContain('After 2 days of silence')
    expect(fields).toMatchObject({
      'Time zone': 'Europe/Lisbon (yours).',
      Snoozed: expect.stringMatching(/^until <t:/),
    })
  })
})

describe('where embeds are not allowed', () => {
  it('the text says the same, by slash and by prefix', async () => {
    await begin()
    bot.channel.denied = Permission.embedLinks
    await bot.restartDoor()
    expect(await use('job_status')).toMatchObject({
      embeds: [],
      content: expect.stringContaining('Job Scheduler Status'),
    })
    await bot.ask(bot.ada, bot.channel, '!job_status')
    expect(bot.fake.journal.at(-1)).toMatchObject({
      embeds: [],
      content: expect.stringContaining('24h Success Rate: n/a'),
    })
    bot.channel.denied = 0n
    await bot.restartDoor()
    await bot.ask(bot.ada, bot.channel, '!job_status')
    expect(bot.fake.journal.at(-1)).toMatchObject({ content: '', embeds: [{ color: RED }] })
  })
})

describe('buttons about follow-ups', () => {
  it('are in the language of their message, and Discord takes them', async () => {
    await begin()
    const labels = (rows: ReturnType<typeof followUpButtons>) =>
      rows.flatMap(row => row.components.map(each => each.label))
    const all = LANGUAGES.flatMap(language => {
      const rows = [
        ...followUpButtons(1, ['stop', 'later', 'why'], language),
        ...consentButtons('discord:100000000000000000', language),
      ]
      expect(() => parse(newMessage, { content: 'x', components: rows })).not.toThrow()
      return [labels(rows).join(' | ')]
    })
    expect(new Set(all).size).toBe(LANGUAGES.length)
    expect(labels(followUpButtons(1, ['stop'], 'ja'))).toEqual(['Stop these'])
    expect(labels(followUpButtons(1, ['stop']))).toEqual(['Stop these'])
    const sent = await bot.door.platform.send(
      {
        userId: `discord:${bot.ada.id}`,
        conversationId: `discord:${bot.dm.id}`,
        text: 'Wie geht es dir?',
        nonce: 'abcdefghijklmnopqrstuv',
        followUpId: 42,
        actions: ['stop', 'later', 'why'],
        language: 'de',
      },
      new AbortController().signal,
    )
    const message = bot.fake.world.messages.get(sent.platformMessageId)
    expect(labels(message?.components as ReturnType<typeof followUpButtons>)).toEqual([
      'Keine mehr',
      'Jetzt nicht',
      'Warum?',
    ])
  })

  it('under the question for consent are in the language the person writes in', async () => {
    await begin({ more: { consentQuestion: ({ userId }) => bot.app.consentQuestion(userId) } })
    const talk = [
      'Hallo, ich heiße Ada',
      'Ich spiele seit vielen Jahren Cello',
      'Mein Konzert ist am Freitag und ich bin nervös',
      'Wie kann ich mich beruhigen?',
      'Das ist nicht so schlecht',
    ]
    for (const text of talk) await bot.ask(bot.ada, bot.dm, text)
    const asked = await until('the question', async () => bot.fake.journal.find(each => each.customIds.length === 2))
    expect(asked.content).toContain('Darf ich dir von mir aus schreiben')
    const message = bot.fake.world.messages.get(asked.messageId)
    expect(message?.components).toMatchObject([{ components: [{ label: 'Ja, gern' }, { label: 'Nein' }] }])
  })
})
