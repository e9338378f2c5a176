import { REST, RateLimitError } from 'discord.js'
import { systemClock, type Clock } from 'belfry'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DeliveryError, type OutboundMessage } from '../../src/messaging/platform.ts'
import { DiscordPlatform, type Line } from '../../src/platforms/discord/delivery.ts'
import { failureOf } from '../../src/platforms/discord/failures.ts'
import { FakeDiscord, OPEN_DM, type Fault } from '../support/fake-discord/fake-discord.ts'
import type { FakeChannel, FakeGuild, FakeUser } from '../support/fake-discord/world.ts'

const CREATE = 'POST /channels/:channel/messages'
const READ = 'GET /channels/:channel/messages'
/** One per call: requests add listeners to it. */
const fresh = () => new AbortController().signal

let fake: FakeDiscord
let guild: FakeGuild
let channel: FakeChannel
let ada: FakeUser
let dm: FakeChannel
let line: { rest: REST | undefined; isTokenRefused: boolean }
let platform: DiscordPlatform
let hearMissed: Line['hearMissed']

beforeEach(async () => {
  fake = await FakeDiscord.start()
  ;({ guild, channel } = fake.guild())
  ada = fake.person('ada', guild)
  dm = fake.world.dmWith(ada.id)
  const rest = new REST({
    api: fake.apiUrl,
    retries: 0,
    timeout: 400,
    rejectOnRateLimit: ({ retryAfter }) => retryAfter > 2_000,
  }).setToken(fake.application.token)
  line = { rest, isTokenRefused: false }
  hearMissed = async () => false
  platform = platformOf(systemClock)
})
afterEach(() => fake.stop())

const platformOf = (clock: Clock) =>
  new DiscordPlatform(
    {
      rest: () => line.rest,
      botId: () => fake.world.bot.id,
      isTokenRefused: () => line.isTokenRefused,
      hearMissed: from => hearMissed(from),
    },
    clock,
  )

const message = (more: Partial<OutboundMessage> = {}): OutboundMessage => ({
  userId: `discord:${ada.id}`,
  conversationId: `discord:${dm.id}`,
  text: 'How was your recital, Ada?',
  nonce: 'abcdefghijklmnopqrstuv',
  followUpId: 7,
  actions: ['stop', 'later', 'why'],
  ...more,
})
const send = (more: Partial<OutboundMessage> = {}) => platform.send(message(more), fresh())
const find = (since = new Date(Date.now() - 60_000), text = message().text) =>
  platform.findSent({ ...message(), text, since }, fresh())

/** What a send failed with. */
async function failure(more: Partial<OutboundMessage> = {}): Promise<Pick<DeliveryError, 'failure' | 'code'>> {
  const error: unknown = await send(more).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(DeliveryError)
  const { failure: kind, code } = error as DeliveryError
  return { failure: kind, code }
}

describe('a follow-up on Discord', () => {
  it('goes into the direct messages they talked in, with its buttons, ringing nobody', async () => {
    const sent = await send()
    expect(sent).toEqual({ platformMessageId: fake.journal[0]?.messageId, deduplicated: false })
    expect(fake.journal).toMatchObject([
      {
        channelId: dm.id,
        content: 'How was your recital, Ada?',
        nonce: 'abcdefghijklmnopqrstuv',
        pings: [],
        customIds: ['fu:stop:7', 'fu:later:7', 'fu:why:7'],
      },
    ])
    expect(fake.requests.map(each => each.route)).not.toContain(OPEN_DM)
  })

  it.each<[string, () => string]>([
    ['a channel', () => channel.id],
    ['a channel that is gone', () => '100000000000000000'],
    ['somebody else’s direct messages', () => fake.world.dmWith(fake.person('bo', guild).id).id],
  ])('that was planned in %s goes to their own direct messages instead, and says so', async (_, where) => {
    const sent = await send({ conversationId: `discord:${where()}` })
    expect(sent.conversationId).toBe(`discord:${dm.id}`)
    expect(fake.journal.map(each => each.channelId)).toEqual([dm.id])
  })

  it('is silent when it was frozen so, and only then', async () => {
    await send()
    await send({ silent: true, nonce: 'another' })
    expect(fake.journal.map(each => each.silent)).toEqual([false, true])
  })

  it('goes into a channel that is known without asking for it', async () => {
    const elsewhere = { conversationId: `discord:${channel.id}`, privateConversationId: `discord:${dm.id}` }
    expect(await send(elsewhere)).toMatchObject({ conversationId: `discord:${dm.id}` })
    expect(fake.requests.map(each => each.route)).toEqual([CREATE])
  })

  it('waits when they have written what was not heard yet, and when that cannot be known', async () => {
    hearMissed = async () => true
    expect(await failure()).toEqual({ failure: 'retry', code: 'not_heard_yet' })
    hearMissed = async () => {
      throw new TypeError('fetch failed')
    }
    expect(await failure()).toEqual({ failure: 'retry', code: 'no_answer' })
    expect(fake.journal).toEqual([])
  })

  it('sent twice is there once, and the second time is known for what it is', async () => {
    const first = await send()
    // A second and a bit later by everybody's clock.
    fake.world.advance(1_500)
    const clock = { ...systemClock, now: () => new Date(Date.now() + 1_500) }
    const second = await platformOf(clock).send(message(), fresh())
    expect(second).toEqual({ ...first, deduplicated: true })
    expect(fake.journal).toHaveLength(1)
  })

  it('whose first sending was deleted counts as sent', async () => {
    await send()
    const sent = fake.world.messages.get(fake.journal[0]?.messageId ?? '')
    if (sent) fake.remove(sent)
    expect(await send()).toMatchObject({ deduplicated: true })
    expect(fake.journal).toHaveLength(1)
  })

  it('to a person of another platform is refused without a request', async () => {
    expect(await failure({ userId: 'web:ada' })).toEqual({ failure: 'refused', code: 'not_on_discord' })
    expect(fake.requests).toEqual([])
  })
})

describe('what a failure means', () => {
  it.each<[string, Fault, string, string]>([
    ['closed direct messages or a block', { kind: 'code', code: 50_007 }, 'suppress', 'dm_closed'],
    ['no common server', { kind: 'code', code: 50_278 }, 'suppress', 'no_mutual_guild'],
    ['an unknown user', { kind: 'code', code: 10_013 }, 'suppress', 'unknown_user'],
    ['an unknown channel', { kind: 'code', code: 10_003 }, 'refused', 'unknown_channel'],
    ['an unknown guild', { kind: 'code', code: 10_004 }, 'refused', 'unknown_guild'],
    ['no access', { kind: 'code', code: 50_001 }, 'refused', 'missing_access'],
    ['no permission', { kind: 'code', code: 50_013 }, 'refused', 'missing_permissions'],
    ['a person who is no member', { kind: 'code', code: 10_007 }, 'refused', 'unknown_member'],
    ['a thread that is closed', { kind: 'code', code: 50_083 }, 'refused', 'thread_locked'],
    ['content refused', { kind: 'code', code: 20_009 }, 'refused', 'content_refused'],
    ['flagged as spam', { kind: 'code', code: 20_026 }, 'halt', 'flagged'],
    ['AutoMod', { kind: 'code', code: 200_000 }, 'plain', 'automod'],
    ['a harmful link', { kind: 'code', code: 240_000 }, 'plain', 'harmful_link'],
    ['a code nobody knows yet', { kind: 'code', code: 160_002 }, 'refused', 'discord_160002'],
    ['a server error before', { kind: 'status', status: 500, when: 'before' }, 'uncertain', 'server_error'],
    ['a server error after', { kind: 'status', status: 502, when: 'after' }, 'uncertain', 'server_error'],
    ['no answer', { kind: 'hang' }, 'uncertain', 'no_answer'],
    ['a cut before', { kind: 'cut', when: 'before' }, 'uncertain', 'no_answer'],
    ['a cut after', { kind: 'cut', when: 'after' }, 'uncertain', 'no_answer'],
    ['a long rate limit', { kind: 'rate-limit', retryAfterMs: 5_000, scope: 'user' }, 'retry', 'rate_limited'],
  ])('%s', async (_, fault, kind, code) => {
    fake.faults.add(CREATE, fault)
    expect(await failure()).toEqual({ failure: kind, code })
    // One try: trying again is the job's to decide.
    expect(fake.requests.filter(each => each.route === CREATE)).toHaveLength(1)
  })

  it('is the real one for what the world is like', async () => {
    ada.dmsClosed = true
    expect(await failure()).toMatchObject({ code: 'dm_closed' })
    ada.dmsClosed = false
    guild.members.delete(ada.id)
    expect(await failure()).toMatchObject({ code: 'no_mutual_guild' })
    expect(await failure({ userId: 'discord:100000000000000000', conversationId: 'discord:1' })).toEqual({
      failure: 'suppress',
      code: 'unknown_user',
    })
    guild.members.set(ada.id, [])
    expect(await failure({ nonce: 'n'.repeat(26) })).toEqual({ failure: 'refused', code: 'invalid_body' })
    expect(await failure({ text: 'x'.repeat(2_001) })).toEqual({ failure: 'refused', code: 'invalid_body' })
  })

  it('opening direct messages too fast stops new ones, and conversations there are go on', async () => {
    const bo = fake.person('bo', guild)
    fake.faults.add(OPEN_DM, { kind: 'code', code: 40_003 }, 99)
    const toBo = { userId: `discord:${bo.id}`, conversationId: `discord:${channel.id}` }
    const error = (await send(toBo).catch((thrown: unknown) => thrown)) as DeliveryError
    expect(error).toMatchObject({ failure: 'no_new', code: 'opening_dms_too_fast' })
    await send()
    expect(fake.journal).toHaveLength(1)
  })

  it('while opening, nothing was sent: a stumble there is a plain retry', async () => {
    const elsewhere = { conversationId: `discord:${channel.id}` }
    for (const fault of [
      { kind: 'status', status: 500, when: 'after' },
      { kind: 'cut', when: 'before' },
      { kind: 'hang' },
    ] as const) {
      fake.faults.add(OPEN_DM, fault)
      expect(await failure(elsewhere)).toMatchObject({ failure: 'retry' })
    }
    await send(elsewhere)
    expect(fake.journal).toHaveLength(1)
  })

  it('a short rate limit is waited for', async () => {
    fake.faults.add(CREATE, { kind: 'rate-limit', retryAfterMs: 50, scope: 'shared' })
    await send()
    expect(fake.journal).toHaveLength(1)
  })

  it('a token that is no longer good: nothing is asked any more, and what was to be sent waits', async () => {
    fake.application.token = 'another'
    expect(await failure()).toEqual({ failure: 'retry', code: 'token_invalid' })
    line.isTokenRefused = true
    const before = fake.requests.length
    expect(await failure()).toEqual({ failure: 'retry', code: 'token_invalid' })
    expect(fake.requests).toHaveLength(before)
  })

  it('no connection and nobody there: surely not sent', async () => {
    line.rest = undefined
    expect(await failure()).toEqual({ failure: 'retry', code: 'not_connected' })
    const nowhere = new REST({ api: 'http://127.0.0.1:1/api', retries: 0 }).setToken('x')
    line.rest = nowhere
    expect(await failure()).toEqual({ failure: 'retry', code: 'unreachable' })
  })

  it('given up in the middle is uncertain', async () => {
    fake.faults.add(CREATE, { kind: 'hang' })
    const stop = new AbortController()
    const sending = platform.send(message(), stop.signal).catch((error: unknown) => error)
    while (fake.journal.length === 0) await new Promise(setImmediate)
    stop.abort()
    expect(await sending).toMatchObject({ failure: 'uncertain' })
  })

  it('tells how long a rate limit lasts, and never what was to be said', async () => {
    const times = { timeToReset: 7_000, retryAfter: 9_000, sublimitTimeout: 0 }
    const where = { method: 'POST', hash: '', url: '', route: '', majorParameter: '' }
    const limited = new RateLimitError({ ...times, ...where, limit: 1, global: false, scope: 'user' })
    expect(failureOf(limited)).toMatchObject({ retryAfterMs: 9_000 })
    fake.faults.add(CREATE, { kind: 'code', code: 20_009 })
    const error = (await send({ text: 'a secret' }).catch((thrown: unknown) => thrown)) as DeliveryError
    expect(error.message).not.toContain('secret')
  })
})

describe('was it sent?', () => {
  it('is found by its text, though history knows no nonce', async () => {
    const sent = await send()
    expect(await find()).toEqual({ platformMessageId: sent.platformMessageId, deduplicated: false })
    expect(await find(undefined, 'something else')).toBe('absent')
  })

  it('by others is no sending of ours, nor is one long before', async () => {
    fake.say(ada, dm, message().text)
    expect(await find()).toBe('absent')
    await send()
    fake.world.advance(3_600_000)
    expect(await find(new Date(Date.now() + 3_600_000))).toBe('absent')
  })

  it('in a long conversation too', async () => {
    await send()
    for (let n = 0; n < 250; n += 1) fake.say(ada, dm, `message ${n}`)
    expect(await find()).toMatchObject({ platformMessageId: fake.journal[0]?.messageId })
    expect(fake.requests.filter(each => each.route === READ)).toHaveLength(3)
    expect(await find(undefined, 'something else')).toBe('absent')
  })

  it('cannot be told when the conversation cannot be read, or not to its end', async () => {
    fake.faults.add(READ, { kind: 'status', status: 500, when: 'before' })
    expect(await find()).toBe('unreadable')
    fake.faults.add(READ, { kind: 'cut', when: 'before' })
    expect(await find()).toBe('unreadable')
    line.rest = undefined
    expect(await find()).toBe('unreadable')
  })

  it('of more than five hundred messages since is not guessed', async () => {
    for (let n = 0; n < 501; n += 1) fake.say(ada, dm, 'x')
    expect(await find()).toBe('unreadable')
  })

  it('a text that Discord trims is found trimmed', async () => {
    await send({ text: ' How was it? \n' })
    expect(await find(undefined, ' How was it? \n')).toMatchObject({ platformMessageId: expect.any(String) })
  })
})
