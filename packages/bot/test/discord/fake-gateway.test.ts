import { once } from 'node:events'
import {
  ApplicationCommandOptionType,
  ButtonStyle,
  Client,
  ComponentType,
  DiscordAPIError,
  Events,
  GatewayIntentBits,
  InteractionContextType,
  MessageFlags,
  Partials,
  type ChatInputCommandInteraction,
  type Message,
} from 'discord.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../../../test-support/until.ts'
import { FakeDiscord } from '../support/fake-discord/fake-discord.ts'
import { Permission, type FakeChannel, type FakeGuild, type FakeUser } from '../support/fake-discord/world.ts'

let fake: FakeDiscord
let guild: FakeGuild
let channel: FakeChannel
let ada: FakeUser
let clients: Client[] = []

beforeEach(async () => {
  fake = await FakeDiscord.start()
  ;({ guild, channel } = fake.guild())
  ada = fake.person('ada', guild)
})
afterEach(async () => {
  await Promise.all(clients.map(each => each.destroy()))
  clients = []
  await fake.stop()
})

const INTENTS = [
  GatewayIntentBits.Guilds,
  GatewayIntentBits.GuildMessages,
  GatewayIntentBits.DirectMessages,
  GatewayIntentBits.MessageContent,
]

function client(intents = INTENTS): Client {
  const made = new Client({
    intents,
    partials: [Partials.Channel],
    rest: { api: fake.apiUrl, retries: 0, timeout: 500 },
  })
  clients.push(made)
  return made
}

async function ready(made = client()): Promise<Client<true>> {
  const up = once(made, Events.ClientReady)
  await made.login(fake.application.token)
  await up
  return made as Client<true>
}

/** Collects what a client hears. */
function hears(made: Client): { texts: string[]; messages: Message[] } {
  const heard = { texts: [] as string[], messages: [] as Message[] }
  made.on(Events.MessageCreate, message => {
    heard.texts.push(message.content)
    heard.messages.push(message)
  })
  return heard
}

describe('a real discord.js client', () => {
  it('logs in, hears a guild and a direct message, answers, and hears itself with its nonce', async () => {
    const bot = await ready()
    const heard = hears(bot)
    fake.say(ada, channel, 'hello guild')
    fake.say(ada, fake.world.dmWith(ada.id), 'hello you')
    await until('both are heard', async () => heard.texts.length === 2)
    expect(heard.texts).toEqual(['hello guild', 'hello you'])
    expect(heard.messages.map(each => each.inGuild())).toEqual([true, false])
    const sent = await heard.messages[1]?.reply({ content: 'hello Ada', nonce: 'n-1', enforceNonce: true })
    await until('it hears itself', async () => heard.texts.length === 3)
    expect(heard.messages[2]).toMatchObject({ id: sent?.id, nonce: 'n-1', author: { id: bot.user.id } })
    expect(fake.journal).toMatchObject([{ content: 'hello Ada', nonce: 'n-1', replyTo: heard.messages[1]?.id }])
    const history = await heard.messages[1]?.channel.messages.fetch({ after: heard.messages[1].id, cache: false })
    expect(history?.map(each => each.content)).toEqual(['hello Ada'])
  })

  it('hears edits and deletions', async () => {
    const bot = await ready()
    const changes: string[] = []
    bot.on(Events.MessageUpdate, (_, message) => changes.push(`now ${message.content}`))
    bot.on(Events.MessageDelete, message => changes.push(`gone ${message.id}`))
    const said = fake.say(ada, channel, 'helo')
    fake.edit(said, 'hello')
    fake.remove(said)
    await until('both', async () => changes.length === 2)
    expect(changes).toEqual(['now hello', `gone ${said.id}`])
  })

  it('gets Discord’s errors as its own', async () => {
    const bot = await ready()
    const user = await bot.users.fetch(ada.id)
    ada.dmsClosed = true
    await expect(user.send('x')).rejects.toMatchObject({ code: 50_007, status: 403 })
    await expect(bot.users.fetch('100000000000000000')).rejects.toBeInstanceOf(DiscordAPIError)
    await expect(user.send('x'.repeat(2_001))).rejects.toMatchObject({ code: 50_035 })
    await expect(user.send({ content: 'x', nonce: 'n'.repeat(26) })).rejects.toMatchObject({ code: 50_035 })
  })

  it('waits out a 429 of a route and a global one', async () => {
    const bot = await ready()
    const route = 'POST /channels/:channel/messages'
    const target = await bot.channels.fetch(channel.id)
    if (!target?.isSendable()) throw new Error('a text channel')
    fake.faults.add(route, { kind: 'rate-limit', retryAfterMs: 50, scope: 'user' })
    fake.faults.add(route, { kind: 'rate-limit', retryAfterMs: 50, scope: 'global' })
    await target.send('patience')
    expect(fake.requests.filter(each => each.route === route).map(each => each.status)).toEqual([429, 429, 200])
  })

  it('is turned away with 4004 for a wrong token and 4014 for an intent it may not have', async () => {
    await expect(client().login('wrong')).rejects.toThrow(/token/i)
    fake.application.messageContent = false
    const bot = client()
    const closed = once(bot, Events.ShardDisconnect)
    bot.on(Events.Error, () => {})
    void bot.login(fake.application.token).catch(() => {})
    expect((await closed)[0]).toMatchObject({ code: 4014 })
    const modest = await ready(client(INTENTS.slice(0, 3)))
    const heard = hears(modest)
    fake.say(ada, channel, 'not for you')
    fake.say(ada, channel, `<@${modest.user.id}> for you`)
    fake.say(ada, fake.world.dmWith(ada.id), 'between us')
    await until('three', async () => heard.texts.length === 3)
    expect(heard.texts).toEqual(['', `<@${modest.user.id}> for you`, 'between us'])
  })

  it('comes back after a cut, after op 7 and after op 9, and misses nothing that can be resumed', async () => {
    const bot = await ready()
    const heard = hears(bot)
    const resumed = () => once(bot, Events.ShardResume)
    const first = resumed()
    fake.gateway.cut()
    fake.say(ada, channel, 'said while away')
    await first
    const second = resumed()
    fake.gateway.askToReconnect()
    await second
    fake.say(ada, channel, 'after op 7')
    await until('both', async () => heard.texts.length === 2)
    expect(heard.texts).toEqual(['said while away', 'after op 7'])
    expect(fake.gateway).toMatchObject({ resumes: 2, identifies: 1 })
    fake.gateway.invalidate({ resumable: false })
    await until('a new login', async () => fake.gateway.identifies === 2)
    fake.say(ada, channel, 'after op 9')
    await until('the last', async () => heard.texts.includes('after op 9'))
  })

  it('may hear an event twice after a resume, and some never', async () => {
    const bot = await ready()
    const heard = hears(bot)
    fake.say(ada, channel, 'once')
    await until('it is heard', async () => heard.texts.length === 1)
    const raw: string[] = []
    bot.on(Events.Raw, (event: { t: string }) => raw.push(event.t))
    fake.gateway.replayedAgain = 1
    fake.gateway.cut()
    await until('it has come again', async () => raw.includes('MESSAGE_CREATE'))
    fake.gateway.lose('MESSAGE_CREATE')
    fake.say(ada, channel, 'lost')
    fake.say(ada, channel, 'kept')
    await until('the next is heard', async () => heard.texts.includes('kept'))
    // The library tells a repeated message from its cache, until it is restarted.
    expect(heard.texts).toEqual(['once', 'kept'])
  })

  it('registers commands and answers them, privately and late', async () => {
    const bot = await ready()
    const used: ChatInputCommandInteraction[] = []
    bot.on(Events.InteractionCreate, interaction => {
      if (interaction.isChatInputCommand()) used.push(interaction)
    })
    await bot.application.commands.set([
      {
        name: 'ping',
        description: 'Says pong',
        options: [{ type: ApplicationCommandOptionType.String, name: 'word', description: 'What to say' }],
      },
      {
        name: 'rule',
        description: 'For those who rule',
        defaultMemberPermissions: 32n,
        contexts: [InteractionContextType.Guild],
      },
    ])
    expect((await bot.application.commands.fetch()).map(each => each.name)).toEqual(['ping', 'rule'])
    const ping = fake.interactions.use({
      userId: ada.id,
      channelId: channel.id,
      name: 'ping',
      options: { word: 'pong' },
    })
    const interaction = await until('it arrives', async () => used[0])
    expect(interaction.options.getString('word')).toBe('pong')
    await interaction.deferReply({ flags: MessageFlags.Ephemeral })
    await expect(interaction.reply('again')).rejects.toThrow(/already been sent or deferred/)
    await interaction.editReply('pong')
    expect(await ping.answered).toMatchObject({ kind: 'edit', content: 'pong', ephemeral: true })
    const rule = { userId: ada.id, channelId: channel.id, name: 'rule' }
    expect(() => fake.interactions.use(rule)).toThrow(/not offered/)
    fake.grant(guild, ada.id, Permission.manageGuild)
    fake.interactions.use(rule)
    const late = await until('it arrives', async () => used[1])
    fake.world.advance(3_001)
    await expect(late.reply('too late')).rejects.toMatchObject({ code: 10_062 })
    expect(() => fake.interactions.use({ ...rule, channelId: fake.world.dmWith(ada.id).id })).toThrow(
      /not offered here/,
    )
  })

  it('gets presses of its buttons, also forged ones', async () => {
    const bot = await ready()
    const presses: string[] = []
    bot.on(Events.InteractionCreate, interaction => {
      if (!interaction.isButton()) return
      presses.push(interaction.customId)
      void interaction.update({ content: 'pressed', components: [] })
    })
    const dm = await bot.users.createDM(ada.id)
    const sent = await dm.send({
      content: 'press me',
      components: [
        {
          type: ComponentType.ActionRow,
          components: [{ type: ComponentType.Button, style: ButtonStyle.Secondary, label: 'Stop', customId: 'stop' }],
        },
      ],
    })
    const press = { userId: ada.id, messageId: sent.id }
    expect(await fake.interactions.press({ ...press, customId: 'stop' }).answered).toMatchObject({ kind: 'update' })
    expect(() => fake.interactions.press({ ...press, customId: 'stop' })).toThrow(/no button/)
    await fake.interactions.press({ ...press, customId: 'else', forged: true }).answered
    expect(presses).toEqual(['stop', 'else'])
  })
})

it('a revoked token closes with 4004 and answers 401', async () => {
  const bot = await ready()
  const gone = once(bot, Events.ShardDisconnect)
  fake.revokeToken()
  expect((await gone)[0]).toMatchObject({ code: 4004 })
  await expect(bot.rest.get('/users/@me')).rejects.toMatchObject({ status: 401 })
})
