import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { callFake, type FakeCall } from '../support/fake-discord/call.ts'
import { FakeDiscord } from '../support/fake-discord/fake-discord.ts'
import { Permission, type FakeChannel, type FakeGuild, type FakeUser } from '../support/fake-discord/world.ts'

let fake: FakeDiscord
let guild: FakeGuild
let channel: FakeChannel
let ada: FakeUser

beforeEach(async () => {
  fake = await FakeDiscord.start()
  ;({ guild, channel } = fake.guild())
  ada = fake.person('ada', guild)
})
afterEach(() => fake.stop())

const call = (method: string, path: string, more: FakeCall = {}) => callFake(fake, { method, path, ...more })
const send = (body: unknown, to = channel) => call('POST', `/channels/${to.id}/messages`, { body })

describe('a message Discord would refuse', () => {
  const button = (more: object = {}) => ({ type: 2, style: 2, label: 'Stop', custom_id: 'stop', ...more })
  const row = (...components: object[]) => ({ type: 1, components })
  const embed = (more: object) => ({ embeds: [more] })

  it.each<[string, object, string]>([
    ['2,001 characters', { content: 'x'.repeat(2_001) }, 'BASE_TYPE_MAX_LENGTH'],
    ['a content that is a number', { content: 7 }, 'FIELD_INVALID_TYPE'],
    ['a nonce of 26 characters', { content: 'x', nonce: 'n'.repeat(26) }, 'BASE_TYPE_MAX_LENGTH'],
    ['a field nobody knows', { content: 'x', colour: 'red' }, 'FIELD_UNRECOGNIZED_KEYS'],
    ['the name of a library for a field', { content: 'x', enforceNonce: true }, 'FIELD_UNRECOGNIZED_KEYS'],
    ['flags it may not set', { content: 'x', flags: 64 }, 'MESSAGE_FLAGS_INVALID'],
    ['a title of 257 characters', embed({ title: 'x'.repeat(257) }), 'BASE_TYPE_MAX_LENGTH'],
    ['a description of 4,097 characters', embed({ description: 'x'.repeat(4_097) }), 'BASE_TYPE_MAX_LENGTH'],
    [
      '26 fields',
      embed({ fields: Array.from({ length: 26 }, () => ({ name: 'a', value: 'b' })) }),
      'BASE_TYPE_MAX_LENGTH',
    ],
    ['a field without a value', embed({ fields: [{ name: 'a', value: '' }] }), 'BASE_TYPE_MIN_LENGTH'],
    [
      'a field of 1,025 characters',
      embed({ fields: [{ name: 'a', value: 'x'.repeat(1_025) }] }),
      'BASE_TYPE_MAX_LENGTH',
    ],
    [
      'embeds of more than 6,000 characters in all',
      { embeds: [{ description: 'x'.repeat(4_000) }, { description: 'x'.repeat(2_001) }] },
      'MAX_EMBED_SIZE_EXCEEDED',
    ],
    ['11 embeds', { embeds: Array.from({ length: 11 }, () => ({ title: 'x' })) }, 'BASE_TYPE_MAX_LENGTH'],
    [
      'a custom id of 101 characters',
      { components: [row(button({ custom_id: 'x'.repeat(101) }))] },
      'BASE_TYPE_MAX_LENGTH',
    ],
    [
      'a button without a custom id',
      { components: [row(button({ custom_id: undefined }))] },
      'BUTTON_COMPONENT_CUSTOM_ID_REQUIRED',
    ],
    ['a label of 81 characters', { components: [row(button({ label: 'x'.repeat(81) }))] }, 'BASE_TYPE_MAX_LENGTH'],
    [
      'six buttons in a row',
      { components: [row(...'abcdef'.split('').map(id => button({ custom_id: id })))] },
      'BASE_TYPE_BAD_LENGTH',
    ],
    ['two buttons of one id', { components: [row(button(), button())] }, 'COMPONENT_CUSTOM_ID_DUPLICATED'],
    ['six rows', { components: 'abcdef'.split('').map(id => row(button({ custom_id: id }))) }, 'BASE_TYPE_BAD_LENGTH'],
    ['an empty row', { components: [row()] }, 'BASE_TYPE_BAD_LENGTH'],
    [
      'a link button with an id',
      { components: [row(button({ style: 5, url: 'https://example.test' }))] },
      'BUTTON_COMPONENT_INVALID_URL',
    ],
    [
      'all users rung and one named',
      { content: 'x', allowed_mentions: { parse: ['users'], users: ['100000000000000000'] } },
      'MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE',
    ],
    ['an unknown kind of mention', { content: 'x', allowed_mentions: { parse: ['all'] } }, 'FIELD_INVALID_VALUE'],
    [
      'an answer to a message that is not there',
      { content: 'x', message_reference: { message_id: '100000000000000000' } },
      'MESSAGE_REFERENCE_UNKNOWN_MESSAGE',
    ],
  ])('for %s is refused with 50035', async (_, body, code) => {
    const { status, body: answer } = await send({ content: 'x', ...body })
    expect({ status, code: answer.code }).toEqual({ status: 400, code: 50_035 })
    expect(JSON.stringify(answer)).toContain(code)
    expect(fake.journal).toEqual([])
  })

  const nothing = [{}, { content: '' }, { content: ' \n ' }, { content: null, embeds: [] }]
  it.each(nothing)('for saying nothing: %j', async body => {
    expect((await send(body)).body).toEqual({ code: 50_006, message: 'Cannot send an empty message' })
  })

  it('for bad JSON, a wrong content type, a missing user agent, a wrong version, path, method', async () => {
    const path = `/channels/${channel.id}/messages`
    expect((await call('POST', path, { body: '{' })).body.code).toBe(50_109)
    expect((await call('POST', path, { body: '{}', headers: { 'content-type': 'text/plain' } })).body.code).toBe(50_109)
    expect((await call('POST', path, { body: {}, headers: { 'user-agent': 'curl' } })).status).toBe(403)
    expect((await fetch(`${fake.apiUrl}/v9${path}`)).status).toBe(404)
    expect((await call('GET', '/nothing')).status).toBe(404)
    expect((await call('PUT', path, { body: {} })).status).toBe(405)
  })

  it('at its longest is taken: 2,000 characters, a nonce of 25, five rows of five buttons', async () => {
    const rows = Array.from({ length: 5 }, (_, r) =>
      row(...Array.from({ length: 5 }, (__, b) => button({ custom_id: `${r}-${b}` }))),
    )
    expect(await send({ content: '🔔'.repeat(2_000), nonce: 'n'.repeat(25), components: rows })).toMatchObject({
      status: 200,
    })
  })
})

describe('who may do what', () => {
  it('a wrong token is 401, everywhere', async () => {
    for (const [method, path] of [
      ['GET', '/users/@me'],
      ['GET', '/gateway/bot'],
      ['POST', `/channels/${channel.id}/messages`],
    ] as const)
      expect(await call(method, path, { token: 'wrong' })).toMatchObject({
        status: 401,
        body: { message: '401: Unauthorized' },
      })
  })

  it('a channel it cannot see is 50001, one it cannot write in 50013, none 10003', async () => {
    channel.denied = Permission.viewChannel
    expect(await send({ content: 'x' })).toMatchObject({ status: 403, body: { code: 50_001 } })
    channel.denied = Permission.sendMessages
    expect(await send({ content: 'x' })).toMatchObject({ status: 403, body: { code: 50_013 } })
    expect((await call('POST', '/channels/100000000000000000/messages', { body: { content: 'x' } })).body.code).toBe(
      10_003,
    )
    guild.members.delete(fake.world.bot.id)
    channel.denied = 0n
    expect((await send({ content: 'x' })).body.code).toBe(50_001)
  })

  it('a thread wants its own permission', async () => {
    const thread = fake.world.addChannel({ guildId: guild.id, name: 'a thread', parentId: channel.id })
    channel.denied = Permission.sendMessages
    expect((await send({ content: 'x' }, thread)).status).toBe(200)
    channel.denied = Permission.sendMessagesInThreads
    expect((await send({ content: 'x' }, thread)).body.code).toBe(50_013)
  })

  it('without the permission to read history it reads an empty list, and cannot answer a message', async () => {
    const said = fake.say(ada, channel, 'hello')
    const history = () => call('GET', `/channels/${channel.id}/messages`)
    expect((await history()).body).toHaveLength(1)
    channel.denied = Permission.readMessageHistory
    expect(await history()).toMatchObject({ status: 200, body: [] })
    expect((await send({ content: 'x', message_reference: { message_id: said.id } })).body.code).toBe(160_002)
  })

  it('direct messages: closed is 50007, no common guild 50278, nobody 50033', async () => {
    const open = (id: string) => call('POST', '/users/@me/channels', { body: { recipient_id: id } })
    const first = await open(ada.id)
    expect(first).toMatchObject({ status: 200, body: { type: 1 } })
    expect((await open(ada.id)).body.id).toBe(first.body.id)
    const dm = fake.world.dmWith(ada.id)
    ada.dmsClosed = true
    expect(await send({ content: 'x' }, dm)).toMatchObject({ status: 403, body: { code: 50_007 } })
    ada.dmsClosed = false
    guild.members.delete(ada.id)
    expect(await send({ content: 'x' }, dm)).toMatchObject({ status: 403, body: { code: 50_278 } })
    expect((await open('100000000000000000')).body.code).toBe(50_033)
    expect((await call('GET', '/users/100000000000000000')).body.code).toBe(10_013)
  })
})

describe('a nonce', () => {
  const message = { content: 'once', nonce: 'abc', enforce_nonce: true }

  it('that is enforced makes one message within the window, whatever else the second body says', async () => {
    const first = await send(message)
    const second = await send({ ...message, content: 'twice' })
    expect(second.body).toEqual(first.body)
    expect(fake.sentTo(channel)).toEqual(['once'])
    fake.world.advance(fake.nonces.windowMs + 1)
    expect((await send(message)).body.id).not.toBe(first.body.id)
    expect(fake.journal).toHaveLength(2)
  })

  it('that is not enforced makes two', async () => {
    await send({ content: 'once', nonce: 'abc' })
    await send({ content: 'once', nonce: 'abc' })
    expect(fake.journal).toHaveLength(2)
  })

  it('of a message deleted since is 10008, and nothing is made', async () => {
    const { body } = await send(message)
    await call('DELETE', `/channels/${channel.id}/messages/${body.id}`)
    expect(await send(message)).toMatchObject({ status: 404, body: { code: 10_008 } })
    expect(fake.journal).toHaveLength(1)
  })
})

describe('history', () => {
  it('goes by before, after, around and limit, newest first', async () => {
    const ids = ['a', 'b', 'c', 'd', 'e'].map(text => fake.say(ada, channel, text).id)
    const read = async (query: string) => {
      const { body } = await call('GET', `/channels/${channel.id}/messages?${query}`)
      return (body as unknown as { content: string }[]).map(each => each.content).join('')
    }
    expect(await read('limit=2')).toBe('ed')
    expect(await read(`after=${ids[1]}&limit=2`)).toBe('dc')
    expect(await read(`before=${ids[3]}&limit=2`)).toBe('cb')
    expect(await read(`around=${ids[2]}&limit=3`)).toBe('dcb')
    for (const query of ['limit=0', 'limit=101', 'limit=x', `before=${ids[1]}&after=${ids[0]}`])
      expect((await call('GET', `/channels/${channel.id}/messages?${query}`)).body.code).toBe(50_035)
  })

  it('has no nonce, and no content of others without the intent', async () => {
    fake.say(ada, channel, 'secret')
    fake.say(ada, channel, `<@${fake.world.bot.id}> open`)
    await send({ content: 'mine', nonce: 'abc' })
    fake.application.messageContent = false
    const { body } = await call('GET', `/channels/${channel.id}/messages`)
    const messages = body as unknown as { content: string; nonce?: string }[]
    expect(messages.map(each => each.content)).toEqual(['mine', `<@${fake.world.bot.id}> open`, ''])
    expect(messages.some(each => 'nonce' in each)).toBe(false)
  })
})

describe('rate limits', () => {
  it('of a route are told in headers, end in 429, and pass', async () => {
    fake.limits.ofRoute.set('POST /channels/:channel/messages', { limit: 2, windowMs: 5_000 })
    expect((await send({ content: 'a' })).headers.get('x-ratelimit-remaining')).toBe('1')
    await send({ content: 'b' })
    const third = await send({ content: 'c' })
    expect(third).toMatchObject({ status: 429, body: { global: false } })
    expect(third.headers.get('x-ratelimit-scope')).toBe('user')
    expect(Number(third.body['retry_after'])).toBeGreaterThan(0)
    const other = fake.world.addChannel({ guildId: guild.id, name: 'other' })
    expect((await send({ content: 'elsewhere' }, other)).status).toBe(200)
    fake.world.advance(5_001)
    expect((await send({ content: 'd' })).status).toBe(200)
  })

  it('over all routes are 50 a second, and say so', async () => {
    fake.limits.global = { limit: 3, windowMs: 60_000 }
    for (let n = 0; n < 3; n += 1) await call('GET', '/users/@me')
    const refused = await call('GET', '/gateway/bot')
    expect(refused).toMatchObject({ status: 429, body: { global: true } })
    expect(refused.headers.get('x-ratelimit-global')).toBe('true')
  })

  it('of a shared resource are no fault of the bot', async () => {
    fake.faults.add('POST /channels/:channel/messages', { kind: 'rate-limit', retryAfterMs: 600, scope: 'shared' })
    const refused = await send({ content: 'a' })
    expect(refused).toMatchObject({ status: 429, body: { retry_after: 0.6 } })
    expect(refused.headers.get('x-ratelimit-scope')).toBe('shared')
  })
})

describe('faults on demand', () => {
  const route = 'POST /channels/:channel/messages'

  it.each([50_007, 50_278, 20_026, 20_009, 200_000] as const)('code %i comes once, and nothing is sent', async code => {
    fake.faults.add(route, { kind: 'code', code })
    expect((await send({ content: 'x' })).body.code).toBe(code)
    expect(fake.journal).toEqual([])
    expect((await send({ content: 'x' })).status).toBe(200)
  })

  it('opening direct messages too fast', async () => {
    fake.faults.add('POST /users/@me/channels', { kind: 'code', code: 40_003 }, 2)
    for (const status of [403, 403, 200])
      expect((await call('POST', '/users/@me/channels', { body: { recipient_id: ada.id } })).status).toBe(status)
  })

  it.each(['before', 'after'] as const)('500 %s the message is there', async when => {
    fake.faults.add(route, { kind: 'status', status: 500, when })
    expect((await send({ content: 'x' })).status).toBe(500)
    expect(fake.journal).toHaveLength(when === 'after' ? 1 : 0)
  })

  it.each(['before', 'after'] as const)('the connection is cut %s the message is there', async when => {
    fake.faults.add(route, { kind: 'cut', when })
    await expect(send({ content: 'x' })).rejects.toThrow('fetch failed')
    expect(fake.journal).toHaveLength(when === 'after' ? 1 : 0)
  })

  it('the message is there, and no answer ever comes', async () => {
    fake.faults.add(route, { kind: 'hang' })
    const waiting = send({ content: 'x' }).catch(() => 'no answer')
    while (fake.journal.length === 0) await new Promise(setImmediate)
    await fake.stop()
    expect(await waiting).toBe('no answer')
    fake = await FakeDiscord.start()
  })
})
