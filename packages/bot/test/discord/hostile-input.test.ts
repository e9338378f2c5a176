import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../../../test-support/until.ts'
import { inCode, voiceOf } from '../../src/messaging/voice.ts'
import { calm } from '../../src/platforms/discord/text.ts'
import { startDiscordBot, type DiscordBot } from '../support/discord-bot.ts'
import type { CommandUse } from '../support/fake-discord/interactions.ts'
import { readable } from '../support/fake-discord/readable.ts'
import { Permission, type FakeUser } from '../support/fake-discord/world.ts'

const NASTY = '**@everyone** `x` [win](https://evil.test) <@&1> ||s|| \u202Egnp\u200B\n# big'

describe('whatever people type or call themselves', () => {
  let bot: DiscordBot
  let mallory: FakeUser
  afterEach(() => bot.close())

  async function begin(settings: Record<string, string> = {}): Promise<void> {
    bot = await startDiscordBot({ settings: () => settings })
    await bot.connected()
    await until('commands are registered', async () => bot.fake.interactions.commandsOf(undefined).length > 0)
    bot.fake.grant(bot.guild, bot.ada.id, Permission.manageGuild)
    mallory = bot.fake.person(NASTY, bot.guild)
  }
  const use = async (name: string, more: Partial<CommandUse> = {}) => {
    const answer = await bot.fake.interactions.use({ userId: bot.ada.id, channelId: bot.channel.id, name, ...more })
      .answered
    expect(answer.ephemeral).toBe(true)
    return readable(answer)
  }
  const shows = (text: string) => {
    expect(text).not.toMatch(/@everyone|@here|<@&|(?<!\\)\[win|(?<!\\)\*\*|https:\/\/evil|[\u202A-\u202E\u2066-\u2069]/)
  }

  it('a name is one harmless line wherever it is said, and rings nobody', async () => {
    await begin()
    const dm = bot.fake.world.dmWith(mallory.id)
    for (const text of ['hello', 'I play the cello']) await bot.ask(mallory, dm, text)
    const options = { user: mallory.id }
    for (const told of [
      await use('schedule_followup', { options }),
      await use('followup', { subcommand: 'explain', options }),
      await use('followup', { subcommand: 'preview', options }),
    ]) {
      shows(told)
      expect(told).toContain('win')
    }
    await bot.restartDoor()
    await bot.ask(bot.ada, bot.channel, `!followup explain <@${mallory.id}>`)
    shows(bot.fake.sentTo(bot.channel).join())
    expect(bot.fake.journal.flatMap(each => each.pings)).toEqual([])
  })

  it('arguments come back in a piece of code they cannot leave, and change nothing', async () => {
    await begin()
    const typed = `${NASTY.replace('\n', ' ')} ${'x'.repeat(200)}`
    const told = [
      await use('job_status', { options: { id: typed } }),
      await use('followup_settings', { subcommand: 'timezone', options: { zone: typed } }),
      await use('followup_settings', { subcommand: 'quiet', options: { hours: typed } }),
      await use('schedule_followup', { options: { user: bot.ada.id, hours: typed } }),
    ]
    for (const each of told) {
      shows(each.replaceAll(/`[^`\n]*`/g, ''))
      expect(each.split('`').length % 2).toBe(1)
    }
    const { rows } = await bot.database.query("select 1 from scheduled_jobs where job_type = 'follow_up_message'")
    expect(rows).toEqual([])
  })

  it('of 4,000 characters is answered within Discord’s limits', async () => {
    await begin()
    await bot.restartDoor()
    const long = 'y'.repeat(3_950)
    for (const command of ['!job_status', '!followup_explain', '!followup_settings', '!schedule_followup']) {
      const [answer = ''] = await bot.ask(bot.ada, bot.channel, `${command} ${long}`)
      expect(answer.length).toBeLessThan(2_000)
    }
    expect(bot.fake.requests.filter(each => each.status === 400)).toEqual([])
  })

  it('admin commands in the wrong place are refused in words', async () => {
    await begin()
    const [inDm = ''] = await bot.ask(bot.ada, bot.dm, '!job_status')
    expect(inDm).toContain('requires administrator permissions')
    expect(inDm).toContain('in direct messages only owners may')
    await bot.restartDoor()
    expect(await bot.ask(bot.bo, bot.channel, '!job_status')).toEqual([
      expect.stringContaining('requires administrator permissions'),
    ])
  })

  it('people who are not of this server are nobody, and jobs about them are not found', async () => {
    await begin()
    const cy = bot.fake.person('cy', bot.fake.guild('Elsewhere').guild)
    await bot.ask(cy, bot.fake.world.dmWith(cy.id), 'hello')
    const { jobId } = await bot.app.scheduleFollowUpMessage({ userId: `discord:${cy.id}` })
    for (const [name, subcommand] of [
      ['schedule_followup', undefined],
      ['followup', 'explain'],
      ['followup', 'preview'],
    ] as const)
      expect(await use(name, { ...(subcommand && { subcommand }), options: { user: cy.id } })).toContain(
        'Please mention a valid user',
      )
    for (const subcommand of ['cancel', 'retry'])
      expect(await use('job', { subcommand, options: { id: jobId } })).toContain('not found')
    expect(await bot.app.scheduler?.getJob(jobId)).toMatchObject({ status: 'pending' })
  })

  it('people of one name are told apart within this server alone', async () => {
    await begin()
    const twin = bot.fake.person('bo', bot.fake.guild('Elsewhere').guild)
    for (const each of [twin, bot.bo]) await bot.ask(each, bot.fake.world.dmWith(each.id), 'hello')
    await bot.restartDoor()
    const [told = ''] = await bot.ask(bot.ada, bot.channel, '!followup_explain bo')
    expect(told).toContain('A follow-up to bo')
    const other = bot.fake.person('bo', bot.guild)
    await bot.ask(other, bot.fake.world.dmWith(other.id), 'hello')
    const [several = ''] = await bot.ask(bot.ada, bot.channel, '!followup_explain bo')
    expect(several).toContain('Several people are called')
    expect(several).toContain(bot.bo.id)
    expect(several).toContain(other.id)
    expect(several).not.toContain(twin.id)
  })

  it('what concerns everybody is for owners: others stop and count nothing, and list the jobs of people here', async () => {
    await begin()
    for (const subcommand of ['pause', 'resume', 'stats'])
      expect(await use('followup', { subcommand })).toContain('for owners of the bot')
    const cy = bot.fake.person('cy', bot.fake.guild('Elsewhere').guild)
    for (const each of [bot.bo, cy]) await bot.ask(each, bot.fake.world.dmWith(each.id), 'hello')
    const { jobId } = await bot.app.scheduleFollowUpMessage({ userId: `discord:${bot.bo.id}` })
    const { jobId: elsewhere } = await bot.app.scheduleFollowUpMessage({ userId: `discord:${cy.id}` })
    const listed = await use('job', { subcommand: 'list' })
    expect(listed).toContain(jobId)
    expect(listed).not.toContain(elsewhere)
    expect((await bot.database.query('select 1 from follow_up_controls')).rows).toEqual([])
    const help = await use('help')
    expect(help).toContain('job_cancel')
    expect(help).not.toContain('followup_pause')
  })
})

describe('an owner', () => {
  it('pauses, sees it, and lets follow-ups go on', async () => {
    const bot = await startDiscordBot({ settings: ({ ada }) => ({ ADMIN_USER_IDS: ada.id }) })
    await bot.connected()
    const ask = async (text: string) => (await bot.ask(bot.ada, bot.dm, text)).join('\n')
    expect(await ask('!followup pause spring cleaning')).toContain('paused for everybody')
    expect(await ask('!job_status')).toMatch(/Follow-ups: ⏸ .*\(pause\) since <t:\d+:F> \(<t:\d+:R>\).*spring cleaning/)
    expect(await ask('!followup_stats')).toMatch(/^How follow-ups went\nFollow-ups from <t:\d+:F> to <t:\d+:F>\n/)
    expect(await ask('!followup resume')).toContain('Follow-ups go on')
    await bot.close()
  })
})

describe('words of other people’s making', () => {
  const now = new Date('2027-03-01T12:00:00Z')
  const nasty = fc.string({
    unit: fc.constantFrom(...Array.from(`${NASTY}\`*_~|<>[]()#@\\:/ab\u0000\r`)),
    maxLength: 300,
  })

  it('are one line on Discord, format nothing and link nothing, and stay themselves elsewhere', () => {
    fc.assert(
      fc.property(nasty, text => {
        const quoted = calm(voiceOf('discord', now).quote(text))
        expect(quoted).not.toMatch(/[\n\r\p{Cc}\u202A-\u202E]|:\/\/|@(everyone|here)/u)
        // Nothing that means something is left bare.
        expect(quoted.replaceAll(/\\./g, '')).not.toMatch(/[`*_~|<>[\]()#]/)
        expect(quoted.length).toBeLessThan(500)
      }),
    )
    expect(voiceOf('web', now).quote('**Ada** [x](y)')).toBe('**Ada** [x](y)')
  })

  it('never leave the code they stand in', () => {
    fc.assert(
      fc.property(nasty, fc.integer({ min: 1, max: 100 }), (text, most) => {
        expect(inCode(text, most)).not.toMatch(/[`\n\r\p{Cc}\p{Cf}]/u)
        expect(Array.from(inCode(text, most)).length).toBeLessThanOrEqual(most)
      }),
    )
  })
})
