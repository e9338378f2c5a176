import { NonRetryableError } from 'belfry'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../../../test-support/until.ts'
import { addConsentEvent } from '../../src/users/consent-store.ts'
import { CommandButtons, LASTS_MS } from '../../src/platforms/discord/command-buttons.ts'
import { startDiscordBot, type DiscordBot, type DiscordBotOptions } from '../support/discord-bot.ts'
import type { CommandUse, InteractionAnswer } from '../support/fake-discord/interactions.ts'
import { readable } from '../support/fake-discord/readable.ts'
import { Permission, type FakeMessage } from '../support/fake-discord/world.ts'

let bot: DiscordBot
afterEach(() => bot.close())

interface Shown {
  readonly label: string
  readonly custom_id: string
}

async function begin(options: DiscordBotOptions = {}): Promise<void> {
  bot = await startDiscordBot(options)
  await bot.connected()
  await until('commands are registered', async () => bot.fake.interactions.commandsOf(undefined).length > 0)
  bot.fake.grant(bot.guild, bot.ada.id, Permission.manageGuild)
}
/** Ada owns the bot. */
const beginAsOwner = () => begin({ settings: ({ ada }) => ({ ADMIN_USER_IDS: ada.id }) })

const use = (name: string, more: Partial<CommandUse> = {}) =>
  bot.fake.interactions.use({ userId: bot.ada.id, channelId: bot.channel.id, name, ...more }).answered

function buttonsOf({ components }: { components: readonly unknown[] }): Shown[] {
  return (components as { components: Shown[] }[]).flatMap(row => row.components)
}
const labels = (shown: { components: readonly unknown[] }) => buttonsOf(shown).map(({ label }) => label)

const messageOf = (answer: InteractionAnswer): FakeMessage => {
  const message = bot.fake.world.messages.get(answer.messageId ?? '')
  if (!message) throw new Error('no message')
  return message
}

/** Presses a button by its label, as the message shows it now. */
function press(message: FakeMessage, label: string, { userId = bot.ada.id } = {}) {
  const customId = buttonsOf(message).find(each => each.label === label)?.custom_id ?? `no ${label}`
  return bot.fake.interactions.press({ userId, messageId: message.id, customId })
}

const schedule = async (count: number) => {
  for (let n = 1; n <= count; n += 1)
    await bot.app.scheduler?.scheduleJob('odd', { delay: '1h', jobId: `job-${String(n).padStart(3, '0')}` })
}
const statusOf = async (jobId: string) => (await bot.app.scheduler?.getJob(jobId))?.status
const jobsAbout = async () =>
  (
    await bot.database.query<{ job_id: string; status: string }>(
      "select job_id, status from scheduled_jobs where job_type = 'follow_up_message'",
    )
  ).rows

describe('pages', () => {
  it('of jobs turn in place, for whoever asked, after a restart too', async () => {
    await beginAsOwner()
    await schedule(23)
    const answer = await use('job', { subcommand: 'list' })
    expect(answer.ephemeral).toBe(true)
    const message = messageOf(answer)
    const ids = () => [...readable(message).matchAll(/`(job-\d+)`/g)].map(([, id]) => id)
    expect(ids()).toHaveLength(10)
    expect(labels(message)).toEqual(['Next'])
    expect((await press(message, 'Next').answered).messageId).toBe(message.id)
    expect(ids()).toContain('job-013')
    expect(labels(message)).toEqual(['Previous', 'Next'])
    await bot.restartDoor()
    await press(message, 'Next').answered
    expect(ids()).toEqual(['job-003', 'job-002', 'job-001'])
    expect(labels(message)).toEqual(['Previous'])
    await press(message, 'Previous').answered
    await press(message, 'Next').answered
    await press(message, 'Previous').answered
    expect(ids()).toContain('job-013')
  })

  it('of a filter keep it, and a filter too long for a button is turned by words', async () => {
    await beginAsOwner()
    const long = `type_${'x'.repeat(80)}`
    for (let n = 0; n < 11; n += 1) {
      await bot.app.scheduler?.scheduleJob('odd', { delay: '1h' })
      await bot.app.scheduler?.scheduleJob(long, { delay: '1h' })
    }
    const message = messageOf(await use('job', { subcommand: 'list', options: { what: 'odd' } }))
    await press(message, 'Next').answered
    expect(readable(message)).toMatch(/Jobs \(odd\), page 2\n`[^\n]*odd pending, due <t:\d+:F> \(<t:\d+:R>\)$/)
    expect(labels(messageOf(await use('job', { subcommand: 'list', options: { what: long } })))).toEqual([])
    expect(readable(await use('job', { subcommand: 'list', options: { what: long, page: 2 } }))).toContain('page 2')
  })

  it('of one’s own history turn in a direct message, when it was asked for in a channel', async () => {
    await begin()
    for (let n = 0; n < 12; n += 1)
      await addConsentEvent(bot.database, {
        userId: `discord:${bot.ada.id}`,
        kind: n % 2 === 0 ? 'granted' : 'revoked',
        source: 'command',
        textVersion: 2,
        now: null,
      })
    await bot.ask(bot.ada, bot.channel, '!followup settings history')
    expect(bot.fake.sentTo(bot.channel)).toEqual(['I have answered you in a direct message.'])
    const entry = bot.fake.journal.findLast(each => each.channelId === bot.dm.id)
    const message = bot.fake.world.messages.get(entry?.messageId ?? '')
    if (!message) throw new Error('no message')
    expect(readable(message)).toContain('Your follow-ups, page 1')
    await press(message, 'Next').answered
    expect(readable(message)).toMatch(/page 2\nWhat you said about follow-ups, newest first:\n- <t:\d+:F>/)
  })
})

describe('a follow-up that was scheduled', () => {
  it('is cancelled by the button below the answer, once; by prefix too', async () => {
    await begin()
    await bot.ask(bot.bo, bot.fake.world.dmWith(bot.bo.id), 'hi, I am Bo')
    const message = messageOf(await use('schedule_followup', { options: { user: bot.bo.id, hours: '2d' } }))
    expect(readable(message)).toContain('not agreed to follow-ups. It is kept, but not sent unless they do.')
    await press(message, 'Cancel it').answered
    expect(message).toMatchObject({ content: expect.stringContaining('is cancelled'), embeds: [], components: [] })

    // The client learns of new roles when it connects.
    await bot.restartDoor()
    await bot.ask(bot.ada, bot.channel, `!schedule_followup <@${bot.bo.id}> 24`)
    const posted = bot.fake.world.messages.get(bot.fake.journal.at(-1)?.messageId ?? '')
    if (!posted) throw new Error('no message')
    expect(posted.pings).toEqual([])
    expect(await press(posted, 'Cancel it', { userId: bot.bo.id }).answered).toMatchObject({
      ephemeral: true,
      content: expect.stringContaining('for whoever asked'),
    })
    expect((await jobsAbout()).map(each => each.status).toSorted()).toEqual(['cancelled', 'pending'])
    await press(posted, 'Cancel it').answered
    expect((await jobsAbout()).map(each => each.status)).toEqual(['cancelled', 'cancelled'])
    expect(posted.components).toEqual([])
  })
})

describe('an act that is confirmed', () => {
  it('waits for the button, and is left alone by the other', async () => {
    await beginAsOwner()
    await schedule(2)
    const ask = async (id: string) => messageOf(await use('job', { subcommand: 'cancel', options: { id } }))
    const first = await ask('job-001')
    expect(await statusOf('job-001')).toBe('pending')
    expect(labels(first)).toEqual(['Cancel this job', 'Leave it'])
    await press(first, 'Leave it').answered
    expect(first).toMatchObject({ content: 'Left as it is; nothing was changed.', components: [] })
    expect(await statusOf('job-001')).toBe('pending')
    await press(await ask('job-002'), 'Cancel this job').answered
    expect(await statusOf('job-002')).toBe('cancelled')
  })

  it('is done once, however often and whatever is pressed', async () => {
    await beginAsOwner()
    let runs = 0
    bot.app.scheduler?.registerHandler('fragile', () => {
      runs += 1
      throw new NonRetryableError('the string broke')
    })
    await bot.app.scheduler?.scheduleJob('fragile', { jobId: 'fragile-1' })
    await bot.app.scheduler?.runDueJobs()
    const message = messageOf(await use('job', { subcommand: 'retry', options: { id: 'fragile-1' } }))
    const customId = buttonsOf(message)[0]?.custom_id ?? ''
    const again = () =>
      bot.fake.interactions.press({ userId: bot.ada.id, messageId: message.id, customId, forged: true })
    const [retry, leave] = [press(message, 'Retry this job'), press(message, 'Leave it'), again()]
    await retry.answered
    await until('all are acknowledged', async () => leave?.acknowledged !== undefined)
    await bot.app.scheduler?.runDueJobs()
    // It has failed anew: were a late press of the old button to act, it would run a third time.
    const late = again()
    await until('it is acknowledged', async () => late.acknowledged !== undefined)
    await bot.app.chat.whenIdle()
    await bot.app.scheduler?.runDueJobs()
    expect(runs).toBe(2)
    expect(message.content).toContain('is due now')
    const { rows } = await bot.database.query("select 1 from conversation_turns where text like '!job_retry%confirm'")
    expect(rows).toHaveLength(1)
  })

  it('is handed in twice by the gateway, and answered once', async () => {
    await beginAsOwner()
    await schedule(1)
    const message = messageOf(await use('job', { subcommand: 'cancel', options: { id: 'job-001' } }))
    const pressed = press(message, 'Cancel this job')
    await pressed.answered
    bot.fake.interactions.repeat(pressed)
    await until('it is let go', async () => bot.logged.some(each => each['event'] === 'discord_interaction_lost'))
    expect(message.content).toContain('is cancelled: it will not start')
  })

  it('is said in words where its id is too long for a button', async () => {
    await beginAsOwner()
    const jobId = `job-${'x'.repeat(90)}`
    await bot.app.scheduler?.scheduleJob('odd', { delay: '1h', jobId })
    const message = messageOf(await use('job', { subcommand: 'cancel', options: { id: jobId } }))
    expect(labels(message)).toEqual([])
    expect(readable(message)).toContain(`!job_cancel ${jobId} confirm`)
    await bot.ask(bot.ada, bot.dm, `!job_cancel ${jobId} confirm`)
    expect(await statusOf(jobId)).toBe('cancelled')
  })

  it('of being forgotten is asked in private, keeps all on "Keep it", and erases on the other', async () => {
    await begin()
    await bot.ask(bot.bo, bot.fake.world.dmWith(bot.bo.id), 'hi, I am Bo')
    const known = async () =>
      (await bot.database.query('select 1 from user_profiles where user_id = $1', [`discord:${bot.bo.id}`])).rows.length
    const ask = async () => messageOf(await use('forget_me', { userId: bot.bo.id }))
    const first = await ask()
    await press(first, 'Keep it', { userId: bot.bo.id }).answered
    expect(first).toMatchObject({ content: expect.stringContaining('Nothing was erased'), components: [] })
    expect(await known()).toBe(1)
    await bot.ask(bot.bo, bot.channel, '!forget_me')
    expect(bot.fake.sentTo(bot.channel)).toEqual(['I have answered you in a direct message.'])
    const dm = bot.fake.journal.findLast(each => each.channelId === bot.fake.world.dmWith(bot.bo.id).id)
    const message = bot.fake.world.messages.get(dm?.messageId ?? '')
    if (!message) throw new Error('no message')
    await press(message, 'Erase everything about me', { userId: bot.bo.id }).answered
    expect(message).toMatchObject({ content: expect.stringContaining('is erased'), components: [] })
    expect(await known()).toBe(0)
    const { rows } = await bot.database.query('select 1 from conversation_turns where user_id = $1', [
      `discord:${bot.bo.id}`,
    ])
    expect(rows).toEqual([])
  })
})

describe('a button pressed by somebody else, too late, or made by hand', () => {
  it('does nothing, and says why', async () => {
    await beginAsOwner()
    bot.fake.grant(bot.guild, bot.bo.id, Permission.manageGuild)
    await schedule(1)
    const message = messageOf(await use('job', { subcommand: 'cancel', options: { id: 'job-001' } }))
    const real = buttonsOf(message)[0]?.custom_id ?? ''
    const forge = async (customId: string, where = message, userId = bot.ada.id) =>
      bot.fake.interactions.press({ userId, messageId: where.id, customId, forged: true }).answered
    expect(await forge(real, message, bot.bo.id)).toMatchObject({
      ephemeral: true,
      content: expect.stringContaining('for whoever asked'),
    })
    const elsewhere = messageOf(await use('help', { channelId: bot.dm.id }))
    const forgeries = [
      real.replace('job-001', 'job-002'),
      real.replace(':d:', ':t:'),
      real.replace(/^(c:.:)[^:]+/, '$1zzzzzz'),
      real.replace(/(c:.:[^:]+:)[^:]+/, `$1${BigInt(bot.bo.id).toString(36)}`),
      real.replace(/:[\w-]{12}:/, ':AAAAAAAAAAAA:'),
      real.slice(0, -1),
      'c:d:::::',
      'c:',
    ]
    for (const customId of forgeries) expect((await forge(customId)).content).toContain('not one of mine')
    expect((await forge(real, elsewhere)).content).toContain('not one of mine')
    expect(await statusOf('job-001')).toBe('pending')
  })

  it('that has expired names the command, and changes nothing', async () => {
    await beginAsOwner()
    await schedule(1)
    const message = messageOf(await use('help'))
    const made = new CommandButtons(bot.fake.application.token).make(
      [{ label: 'Cancel', says: 'job_cancel job-001 confirm', kind: 'decide' }],
      { invoker: bot.ada.id, channelId: bot.channel.id, now: new Date(Date.now() - LASTS_MS.decide - 1_000) },
    )
    const customId = made[0]?.components[0]?.custom_id ?? ''
    const late = await bot.fake.interactions.press({
      userId: bot.ada.id,
      messageId: message.id,
      customId,
      forged: true,
    }).answered
    expect(late).toMatchObject({
      ephemeral: true,
      content: expect.stringMatching(/until <t:\d+:F>.*nothing was changed.*`!job_cancel`/),
    })
    expect(await statusOf('job-001')).toBe('pending')
  })
})
