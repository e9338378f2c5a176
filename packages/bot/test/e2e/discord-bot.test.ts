import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { layEmbedded } from '../../../../test-support/embedded-database.ts'
import { startProgram, type Program } from '../../../../test-support/child-process.ts'
import { until } from '../../../../test-support/until.ts'
import { FakeDiscord } from '../support/fake-discord/fake-discord.ts'
import { Permission, type FakeChannel, type FakeGuild, type FakeUser } from '../support/fake-discord/world.ts'

describe('the program itself, with a token', () => {
  let fake: FakeDiscord
  let guild: FakeGuild
  let channel: FakeChannel
  let ada: FakeUser
  let dm: FakeChannel
  let folder: string
  let bots: Program[] = []

  beforeEach(async () => {
    fake = await FakeDiscord.start()
    ;({ guild, channel } = fake.guild())
    ada = fake.person('ada', guild)
    dm = fake.world.dmWith(ada.id)
    folder = await mkdtemp(join(tmpdir(), 'belfry-discord-'))
    await layEmbedded('bot', join(folder, 'data'))
  })
  afterEach(async () => {
    for (const bot of bots) bot.kill('SIGKILL')
    await Promise.all(bots.map(bot => bot.exited))
    bots = []
    await fake.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const environment = () => ({
    DISCORD_TOKEN: fake.application.token,
    DISCORD_API_BASE_URL: fake.apiUrl,
    ADMIN_USER_IDS: ada.id,
    PORT: '0',
  })

  async function start(): Promise<{ bot: Program; url: string }> {
    const bot = startProgram('packages/bot/dist/main.js', { cwd: folder, env: environment() })
    bots.push(bot)
    const url = (await bot.shows(/open\s+(http:\S+)/))[1] ?? ''
    return { bot, url }
  }
  const registered = () => until('it is there', async () => fake.interactions.commandsOf(undefined).length > 0)

  async function ask(text: string): Promise<string> {
    const already = fake.sentTo(dm).length
    fake.say(ada, dm, text)
    return until(`an answer to ${text}`, async () => fake.sentTo(dm)[already])
  }

  async function run(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
    const program = startProgram('packages/bot/dist/cli.js', { args, cwd: folder, env: environment() })
    bots.push(program)
    const { code } = await program.exited
    return { code, stdout: program.stdout(), stderr: program.stderr() }
  }

  it('answers, takes commands by prefix and by slash, says how it is, and stops when told', async () => {
    const { bot, url } = await start()
    await registered()
    expect(await ask('hi, I am Ada')).toContain('Ada')
    expect(await ask('!job_status')).toContain('🟢 Running')
    fake.grant(guild, ada.id, Permission.manageGuild)
    const slash = fake.interactions.use({ userId: ada.id, channelId: channel.id, name: 'job_status' })
    expect(await slash.answered).toMatchObject({
      ephemeral: true,
      embeds: [{ title: 'Job Scheduler Status: 🟢 Running', color: 0x2e_cc_71 }],
    })
    const ready = await fetch(`${url}/readyz`)
    expect(await ready.json()).toMatchObject({
      ok: true,
      checks: { discord: 'connected', followUps: 'ok', discordRefusedRequests: '0 of 10000 in 10 minutes' },
    })
    expect(bot.stdout()).toContain('discord, web')
    bot.kill('SIGTERM')
    expect(await bot.exited).toMatchObject({ code: 0 })
    expect(bot.stderr()).not.toContain(fake.application.token)
  })

  it('hands over a person’s data in private: as a file, by prefix and by slash', async () => {
    await start()
    await registered()
    await ask('hi, I am Ada')
    const before = fake.files.length
    fake.say(ada, channel, '!my_data')
    await until('it is there', async () => fake.files.length > before)
    const slash = fake.interactions.use({ userId: ada.id, channelId: channel.id, name: 'my_data' })
    expect(await slash.answered).toMatchObject({ ephemeral: true })
    expect(fake.files).toHaveLength(before + 2)
    expect(fake.files.map(each => each.text).join()).toContain('hi, I am Ada')
    const told = await until('the channel is told', async () => fake.sentTo(channel).length > 0 && fake.sentTo(channel))
    expect(told).toEqual(['I have answered you in a direct message.'])
  })

  it('lives on when its token is revoked, and says so', async () => {
    const { url } = await start()
    await registered()
    fake.revokeToken()
    const health = await until('it is told', async () => {
      const response = await fetch(`${url}/readyz`)
      const told = (await response.json()) as { checks: { discord: string } }
      return told.checks.discord === 'token refused' && { status: response.status, ...told }
    })
    expect(health).toMatchObject({ status: 503, ok: false, checks: { database: 'ok', scheduler: 'ok' } })
    expect(fake.requests.filter(each => each.status === 401).length).toBeLessThan(5)
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    const said = await fetch(`${url}/api/chat/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', cookie: 'belfry_user=ada-0123456789abcdef' },
      body: JSON.stringify({ text: 'hello', messageId: 'message-1' }),
    })
    expect(said.status).toBe(202)
  })

  it('prints the link that invites it, with what it needs and no more', async () => {
    const { code, stdout } = await run('invite')
    expect(code).toBe(0)
    const link = new URL(stdout.trim())
    expect(link.searchParams.get('client_id')).toBe(fake.world.applicationId)
    expect(link.searchParams.get('scope')).toBe('bot applications.commands')
    const { viewChannel, sendMessages, embedLinks, readMessageHistory, sendMessagesInThreads } = Permission
    const needed = viewChannel | sendMessages | embedLinks | readMessageHistory | sendMessagesInThreads
    expect(link.searchParams.get('permissions')).toBe(String(needed))
  })

  it('its doctor says what works, what is missing and what that costs', async () => {
    fake.application.messageContent = false
    guild.roles.set(guild.id, (guild.roles.get(guild.id) ?? 0n) & ~Permission.readMessageHistory)
    const { code, stdout } = await run('doctor')
    expect(code).toBe(0)
    for (const line of [
      /^ok {7}discord token: accepted/m,
      /^warning {2}discord intents: no Message Content/m,
      /^warning {2}discord servers: Bell Tower lacks Read Message History/m,
      /^warning {2}discord commands: 0 registered/m,
      /^ok {7}database: /m,
      /^warning {2}language model: none/m,
      /^warning {2}time zone: none/m,
      /^ok {7}disk: /m,
      /^ok {7}discord connections: 1$/m,
      /^warning {2}privacy policy: no PRIVACY_URL/m,
    ])
      expect(stdout).toMatch(line)
  })

  it('its doctor looks at everything else beside a running bot', async () => {
    const { bot } = await start()
    await registered()
    const { code, stdout } = await run('doctor')
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`^ok {7}database: in use by process ${bot.pid}, the running bot`, 'm'))
    expect(stdout).toMatch(/^ok {7}discord commands: /m)
  })

  it('its doctor warns of too few connections and of too few logins left', async () => {
    fake.gateway.recommendedShards = 3
    fake.gateway.identifies = 950
    const { stdout } = await run('doctor')
    expect(stdout).toMatch(/^warning {2}discord connections: 1; Discord recommends 3/m)
    expect(stdout).toMatch(/^warning {2}discord logins: 50 left for the next 24 hours/m)
  })

  it('the link cannot be had with a wrong token, and it says what to do', async () => {
    const env = { ...environment(), DISCORD_TOKEN: 'wrong.wrong.wrong' }
    const program = startProgram('packages/bot/dist/cli.js', { args: ['invite'], cwd: folder, env })
    bots.push(program)
    expect((await program.exited).code).toBe(1)
    expect(program.stderr()).toContain('Discord refuses the token. Make a new one')
  })

  it('its doctor says how to mend what is broken', async () => {
    const env = { ...environment(), DISCORD_TOKEN: 'wrong.wrong.wrong' }
    const program = startProgram('packages/bot/dist/cli.js', { args: ['doctor'], cwd: folder, env })
    bots.push(program)
    expect((await program.exited).code).toBe(1)
    expect(program.stdout()).toMatch(/^error {4}discord token: Discord refuses the token. Make a new one/m)
    expect(program.stdout()).not.toContain('wrong.wrong.wrong')
  })
})
