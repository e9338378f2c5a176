import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../../../test-support/until.ts'
import { ADA, BO, ChatServer, codeOf } from '../support/chat-server.ts'
import { eventsOf } from '../support/event-stream.ts'

let chat: ChatServer
beforeEach(async () => {
  chat = await ChatServer.start()
})
afterEach(() => chat.close())

/** The id the bot knows the holder of a cookie by. */
async function idOf(cookie: string): Promise<string> {
  await chat.say('who am I', { cookie })
  return chat.webChat.said.at(-1)?.userId ?? ''
}

describe('who somebody is', () => {
  it('is a secret in a cookie that scripts cannot read, made at the first call and kept', async () => {
    const response = await chat.get('/api/chat/turns')
    const cookie = response.headers.get('set-cookie') ?? ''
    expect(cookie).toMatch(/^belfry_user=[\w-]{24}; Max-Age=31536000; Path=\/; HttpOnly; SameSite=Strict$/)
    const again = await chat.get('/api/chat/turns', { cookie: cookie.split(';')[0] ?? '' })
    expect(again.headers.get('set-cookie')).toBeNull()
  })

  it('is not given to whoever only looks at the page', async () => {
    expect((await chat.get('/')).headers.get('set-cookie')).toBeNull()
  })

  it('is known to others by an id from which the secret cannot be told', async () => {
    const id = await idOf(ADA)
    expect(id).toMatch(/^web:[0-9a-f]{16}$/)
    expect(await idOf(ADA)).toBe(id)
    expect(await idOf(BO)).not.toBe(id)
    expect(await idOf(`belfry_user=${id}`)).not.toBe(id)
  })

  it.each([
    'belfry_user=short',
    'belfry_user=%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00',
    `belfry_user=${'a'.repeat(65)}`,
  ])('is made anew for a cookie that is none of ours: %s', async cookie => {
    expect((await chat.get('/api/chat/turns', { cookie })).headers.get('set-cookie')).toMatch(/^belfry_user=[\w-]{24};/)
  })

  it.each(['cross-site', 'same-site'])('is not made anew by a link on a page elsewhere (%s)', async site => {
    for (const path of ['/api/chat/turns', '/api/chat/events']) {
      const response = await chat.get(path, { 'sec-fetch-site': site })
      expect(response.headers.get('set-cookie')).toBeNull()
      expect(await codeOf(response)).toBe('403 FOREIGN_PAGE')
    }
  })

  it('is the operator only straight from this machine', async () => {
    await chat.say('hello')
    await chat.say('hello', { 'x-forwarded-for': '203.0.113.7' })
    await chat.say('hello', { via: '1.1 proxy' })
    expect(chat.webChat.said.map(message => message.fromOperator)).toEqual([true, false, false])
  })
})

describe('turns', () => {
  it('are those of the person, after the one they have seen', async () => {
    await chat.say('my recital is on Friday')
    await chat.say('hello', { cookie: BO })
    const all = (await (await chat.get('/api/chat/turns', { cookie: ADA })).json()) as {
      botName: string
      turns: unknown[]
    }
    expect(all).toMatchObject({
      botName: 'Belfry',
      turns: [
        { id: 1, author: 'user', kind: 'chat' },
        { id: 2, author: 'bot' },
      ],
    })
    const later = await (await chat.get('/api/chat/turns?after=1', { cookie: ADA })).json()
    expect(later).toMatchObject({
      turns: [{ id: 2, text: 'You said: my recital is on Friday', sentAt: '2027-01-01T12:00:00.000Z' }],
    })
  })

  it.each(['-1', 'x', '1e3', '99999999999999999999', "1' or 1=1", ''])('after %j are all of them', async after => {
    await chat.say('hello')
    const { turns } = (await (
      await chat.get(`/api/chat/turns?after=${encodeURIComponent(after)}`, { cookie: ADA })
    ).json()) as { turns: unknown[] }
    expect(turns).toHaveLength(2)
  })
})

describe('the stream of turns', () => {
  it('begins with what was missed, goes on with what comes, and ends when the server closes', async () => {
    const ada = await idOf(ADA)
    const response = await chat.get('/api/chat/events', { cookie: ADA, 'last-event-id': '1' })
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
    const events = eventsOf(response)
    expect(await events.next(1)).toEqual(['2 You said: who am I'])
    chat.webChat.add(ada, { author: 'bot', kind: 'follow_up', text: 'How was it?\nTell me\r\ndata: 🎻' })
    expect(await events.next(2)).toEqual(['2 You said: who am I', '3 How was it?\nTell me\r\ndata: 🎻'])
    const closed = chat.server.close()
    expect(await events.ended()).toBe(true)
    chat.clock.advance('1s')
    await closed
    expect(chat.webChat.listeners).toBe(0)
  })

  it('goes on where the page says when there is no Last-Event-ID, and prefers Last-Event-ID', async () => {
    await chat.say('one')
    await chat.say('two')
    const asked = eventsOf(await chat.get('/api/chat/events?after=3', { cookie: ADA }))
    expect(await asked.next(1)).toEqual(['4 You said: two'])
    const resumed = eventsOf(await chat.get('/api/chat/events?after=0', { cookie: ADA, 'last-event-id': '3' }))
    expect(await resumed.next(1)).toEqual(['4 You said: two'])
  })

  it('catches up at once, however many batches it takes', async () => {
    chat.webChat.atOnce = 1
    await chat.say('one')
    await chat.say('two')
    const events = eventsOf(await chat.get('/api/chat/events', { cookie: ADA }))
    expect(await events.next(4)).toHaveLength(4)
  })

  it('tells nobody what others hear', async () => {
    const bo = await idOf(BO)
    const events = eventsOf(await chat.get('/api/chat/events', { cookie: ADA }))
    chat.webChat.add(bo, { author: 'bot', text: 'for Bo only' })
    await chat.say('for Ada')
    expect(await events.next(2)).toEqual([expect.stringContaining('for Ada'), expect.stringContaining('for Ada')])
  })

  it('is forgotten when the page goes', async () => {
    const leave = new AbortController()
    const response = await fetch(`${chat.url}/api/chat/events`, { headers: { cookie: ADA }, signal: leave.signal })
    await until('a reader', () => Promise.resolve(chat.webChat.listeners === 1))
    leave.abort()
    await response.text().catch(() => '')
    await until('no reader', () => Promise.resolve(chat.webChat.listeners === 0))
  })

  it('ends, and tells nothing, when turns cannot be read', async () => {
    chat.webChat.broken = new Error('password of the database')
    const text = await (await chat.get('/api/chat/events', { cookie: ADA })).text()
    expect(text).not.toContain('password')
    expect(chat.webChat.listeners).toBe(0)
  })
})

describe('a message', () => {
  it('is accepted as it is', async () => {
    const text = 'I play <b>the cello</b> 🎻'
    expect((await chat.post({ text, messageId: 'message-1', displayName: ' Ada ' })).status).toBe(202)
    expect(chat.webChat.said).toEqual([
      { userId: expect.any(String), text, messageId: 'message-1', displayName: 'Ada', fromOperator: true },
    ])
  })

  it.each([
    ['de-AT,de;q=0.9,en;q=0.5', 'de-AT'],
    ['pt', 'pt'],
    ['*', undefined],
    ["de'; drop table", undefined],
  ])('asked for in %s is in %s', async (header, locale) => {
    await chat.say('hello', { 'accept-language': header })
    expect(chat.webChat.said[0]?.locale).toBe(locale)
  })

  it.each<[string, unknown]>([
    ['no JSON', '{"text":'],
    ['nothing', ''],
    ['null', 'null'],
    ['a list', []],
    ['no text', { messageId: 'message-1' }],
    ['an empty text', { text: ' \n ', messageId: 'message-1' }],
    ['a text that is none', { text: 7, messageId: 'message-1' }],
    ['4,001 characters', { text: 'a'.repeat(4_001), messageId: 'message-1' }],
    ['no id', { text: 'hello' }],
    ['a short id', { text: 'hello', messageId: 'm' }],
    ['an id with other characters', { text: 'hello', messageId: "message'; drop" }],
    ['a long name', { text: 'hello', messageId: 'message-1', displayName: 'a'.repeat(65) }],
  ])('with %s is refused', async (_what, body) => {
    expect(await codeOf(await chat.post(body))).toBe('400 BAD_MESSAGE')
    expect(chat.webChat.said).toEqual([])
  })

  it('may be 4,000 characters of four bytes each, but no more than 16 KiB', async () => {
    expect((await chat.say('é'.repeat(4_000))).status).toBe(202)
    expect(await codeOf(await chat.post({ text: 'hello', messageId: 'message-1', more: 'a'.repeat(16_384) }))).toBe(
      '413 TOO_LARGE',
    )
  })

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'])(
    'of type %s is refused',
    async type => {
      expect(await codeOf(await chat.say('hello', { 'content-type': type }))).toBe('415 NOT_JSON')
    },
  )

  it.each<Record<string, string>>([
    { origin: 'https://elsewhere.example.test' },
    { origin: 'null' },
    { origin: 'http://127.0.0.1:1' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'none' },
  ])('from a page elsewhere is refused: %j', async headers => {
    expect(await codeOf(await chat.say('hello', headers))).toBe('403 FOREIGN_PAGE')
    expect(chat.webChat.said).toEqual([])
  })

  it('from our own page is taken', async () => {
    expect((await chat.say('hello', { origin: chat.url, 'sec-fetch-site': 'same-origin' })).status).toBe(202)
  })

  it('after twenty in ten seconds has to wait, and only this person’s', async () => {
    for (let count = 0; count < 20; count += 1) expect((await chat.say(`${count}`)).status).toBe(202)
    chat.clock.advance('3s')
    const refused = await chat.say('one more')
    expect(refused.headers.get('retry-after')).toBe('7')
    expect(await codeOf(refused)).toBe('429 TOO_FAST')
    expect((await chat.say('hello', { cookie: BO })).status).toBe(202)
    chat.clock.advance('7s')
    expect((await chat.say('one more')).status).toBe(202)
  })

  it('that cannot be answered is an error that tells nothing of the inside', async () => {
    chat.webChat.broken = new Error('password of the database')
    const response = await chat.say('hello')
    expect(await response.clone().text()).not.toContain('password')
    expect(await codeOf(response)).toBe('503 FAILED')
  })
})
