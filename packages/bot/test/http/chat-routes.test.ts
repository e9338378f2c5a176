import { request } from 'node:http'
import { silentLogger } from 'belfry'
import { TestClock } from 'belfry/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createHttpServer, PortInUseError, type HttpServer } from '../../src/http/server.ts'
import { until } from '../../../../test-support/until.ts'
import { eventsOf } from '../support/event-stream.ts'
import { MemoryWebChat } from '../support/memory-web-chat.ts'

const ADA = 'belfry_user=ada-0123456789abcdef'
const BO = 'belfry_user=bo-0123456789abcdefg'

let clock: TestClock
let webChat: MemoryWebChat
let server: HttpServer
let url: string
let isReady: () => Promise<{ ok: boolean; checks: Record<string, string> }>

beforeEach(async () => {
  clock = new TestClock()
  webChat = new MemoryWebChat()
  isReady = () => Promise.resolve({ ok: true, checks: { database: 'ok' } })
  server = serverAt(0)
  url = (await server.listen()).url
})
afterEach(() => close(server))

function serverAt(port: number): HttpServer {
  return createHttpServer({
    host: '127.0.0.1',
    port,
    webChat,
    health: { ready: () => isReady() },
    clock,
    logger: silentLogger,
  })
}

/** Connections that are still open after half a second of the server's time are cut. */
async function close(open: HttpServer): Promise<void> {
  const closed = open.close()
  clock.advance('1s')
  await closed
}

const get = (path: string, headers: Record<string, string> = {}) => fetch(`${url}${path}`, { headers })

function post(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${url}/api/chat/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', cookie: ADA, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

const say = (text: string, headers: Record<string, string> = {}) => post({ text, messageId: 'message-1' }, headers)

async function codeOf(response: Response): Promise<string> {
  const { error } = (await response.json()) as { error: { code: string; message: string } }
  expect(error.message).not.toBe('')
  return `${response.status} ${error.code}`
}

/** A GET with headers that fetch does not let anybody set. */
function rawGet(path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}${path}`, { headers, agent: false }, response => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    asked.on('error', reject).end()
  })
}

/** The id the bot knows the holder of a cookie by. */
async function idOf(cookie: string): Promise<string> {
  await say('who am I', { cookie })
  return webChat.said.at(-1)?.userId ?? ''
}

describe('who somebody is', () => {
  it('is a secret in a cookie that scripts cannot read, made at the first call and kept', async () => {
    const response = await get('/api/chat/turns')
    const cookie = response.headers.get('set-cookie') ?? ''
    expect(cookie).toMatch(/^belfry_user=[\w-]{24}; Max-Age=31536000; Path=\/; HttpOnly; SameSite=Strict$/)
    const again = await get('/api/chat/turns', { cookie: cookie.split(';')[0] ?? '' })
    expect(again.headers.get('set-cookie')).toBeNull()
  })

  it('is not given to whoever only looks at the page', async () => {
    expect((await get('/')).headers.get('set-cookie')).toBeNull()
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
    expect((await get('/api/chat/turns', { cookie })).headers.get('set-cookie')).toMatch(/^belfry_user=[\w-]{24};/)
  })

  it.each(['cross-site', 'same-site'])('is not made anew by a link on a page elsewhere (%s)', async site => {
    for (const path of ['/api/chat/turns', '/api/chat/events']) {
      const response = await get(path, { 'sec-fetch-site': site })
      expect(response.headers.get('set-cookie')).toBeNull()
      expect(await codeOf(response)).toBe('403 FOREIGN_PAGE')
    }
  })

  it('is the operator only straight from this machine', async () => {
    await say('hello')
    await say('hello', { 'x-forwarded-for': '203.0.113.7' })
    await say('hello', { via: '1.1 proxy' })
    expect(webChat.said.map(message => message.fromOperator)).toEqual([true, false, false])
  })
})

describe('turns', () => {
  it('are those of the person, after the one they have seen', async () => {
    await say('my recital is on Friday')
    await say('hello', { cookie: BO })
    const all = (await (await get('/api/chat/turns', { cookie: ADA })).json()) as { botName: string; turns: unknown[] }
    expect(all).toMatchObject({
      botName: 'Belfry',
      turns: [
        { id: 1, author: 'user', kind: 'chat' },
        { id: 2, author: 'bot' },
      ],
    })
    const later = await (await get('/api/chat/turns?after=1', { cookie: ADA })).json()
    expect(later).toMatchObject({
      turns: [{ id: 2, text: 'You said: my recital is on Friday', sentAt: '2027-01-01T12:00:00.000Z' }],
    })
  })

  it.each(['-1', 'x', '1e3', '99999999999999999999', "1' or 1=1", ''])('after %j are all of them', async after => {
    await say('hello')
    const { turns } = (await (
      await get(`/api/chat/turns?after=${encodeURIComponent(after)}`, { cookie: ADA })
    ).json()) as { turns: unknown[] }
    expect(turns).toHaveLength(2)
  })
})

describe('the stream of turns', () => {
  it('begins with what was missed, goes on with what comes, and ends when the server closes', async () => {
    const ada = await idOf(ADA)
    const response = await get('/api/chat/events', { cookie: ADA, 'last-event-id': '1' })
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
    const events = eventsOf(response)
    expect(await events.next(1)).toEqual(['2 You said: who am I'])
    webChat.add(ada, { author: 'bot', kind: 'follow_up', text: 'How was it?\nTell me\r\ndata: 🎻' })
    expect(await events.next(2)).toEqual(['2 You said: who am I', '3 How was it?\nTell me\r\ndata: 🎻'])
    const closed = server.close()
    expect(await events.ended()).toBe(true)
    clock.advance('1s')
    await closed
    expect(webChat.listeners).toBe(0)
  })

  it('goes on where the page says when there is no Last-Event-ID, and prefers Last-Event-ID', async () => {
    await say('one')
    await say('two')
    const asked = eventsOf(await get('/api/chat/events?after=3', { cookie: ADA }))
    expect(await asked.next(1)).toEqual(['4 You said: two'])
    const resumed = eventsOf(await get('/api/chat/events?after=0', { cookie: ADA, 'last-event-id': '3' }))
    expect(await resumed.next(1)).toEqual(['4 You said: two'])
  })

  it('catches up at once, however many batches it takes', async () => {
    webChat.atOnce = 1
    await say('one')
    await say('two')
    const events = eventsOf(await get('/api/chat/events', { cookie: ADA }))
    expect(await events.next(4)).toHaveLength(4)
  })

  it('tells nobody what others hear', async () => {
    const bo = await idOf(BO)
    const events = eventsOf(await get('/api/chat/events', { cookie: ADA }))
    webChat.add(bo, { author: 'bot', text: 'for Bo only' })
    await say('for Ada')
    expect(await events.next(2)).toEqual([expect.stringContaining('for Ada'), expect.stringContaining('for Ada')])
  })

  it('is forgotten when the page goes', async () => {
    const leave = new AbortController()
    const response = await fetch(`${url}/api/chat/events`, { headers: { cookie: ADA }, signal: leave.signal })
    await until('a reader', () => Promise.resolve(webChat.listeners === 1))
    leave.abort()
    await response.text().catch(() => '')
    await until('no reader', () => Promise.resolve(webChat.listeners === 0))
  })

  it('ends, and tells nothing, when turns cannot be read', async () => {
    webChat.broken = new Error('password of the database')
    const text = await (await get('/api/chat/events', { cookie: ADA })).text()
    expect(text).not.toContain('password')
    expect(webChat.listeners).toBe(0)
  })
})

describe('a message', () => {
  it('is accepted as it is', async () => {
    const text = 'I play <b>the cello</b> 🎻'
    expect((await post({ text, messageId: 'message-1', displayName: ' Ada ' })).status).toBe(202)
    expect(webChat.said).toEqual([
      { userId: expect.any(String), text, messageId: 'message-1', displayName: 'Ada', fromOperator: true },
    ])
  })

  it.each([
    ['de-AT,de;q=0.9,en;q=0.5', 'de-AT'],
    ['pt', 'pt'],
    ['*', undefined],
    ["de'; drop table", undefined],
  ])('asked for in %s is in %s', async (header, locale) => {
    await say('hello', { 'accept-language': header })
    expect(webChat.said[0]?.locale).toBe(locale)
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
    expect(await codeOf(await post(body))).toBe('400 BAD_MESSAGE')
    expect(webChat.said).toEqual([])
  })

  it('may be 4,000 characters of four bytes each, but no more than 16 KiB', async () => {
    expect((await say('é'.repeat(4_000))).status).toBe(202)
    expect(await codeOf(await post({ text: 'hello', messageId: 'message-1', more: 'a'.repeat(16_384) }))).toBe(
      '413 TOO_LARGE',
    )
  })

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'])(
    'of type %s is refused',
    async type => {
      expect(await codeOf(await say('hello', { 'content-type': type }))).toBe('415 NOT_JSON')
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
    expect(await codeOf(await say('hello', headers))).toBe('403 FOREIGN_PAGE')
    expect(webChat.said).toEqual([])
  })

  it('from our own page is taken', async () => {
    expect((await say('hello', { origin: url, 'sec-fetch-site': 'same-origin' })).status).toBe(202)
  })

  it('after twenty in ten seconds has to wait, and only this person’s', async () => {
    for (let count = 0; count < 20; count += 1) expect((await say(`${count}`)).status).toBe(202)
    clock.advance('3s')
    const refused = await say('one more')
    expect(refused.headers.get('retry-after')).toBe('7')
    expect(await codeOf(refused)).toBe('429 TOO_FAST')
    expect((await say('hello', { cookie: BO })).status).toBe(202)
    clock.advance('7s')
    expect((await say('one more')).status).toBe(202)
  })

  it('that cannot be answered is an error that tells nothing of the inside', async () => {
    webChat.broken = new Error('password of the database')
    const response = await say('hello')
    expect(await response.clone().text()).not.toContain('password')
    expect(await codeOf(response)).toBe('503 FAILED')
  })
})

describe('the server', () => {
  it('sends its headers with every answer', async () => {
    const answers = [
      get('/'),
      get('/chat.js'),
      get('/nowhere'),
      get('/healthz'),
      get('/readyz'),
      get('/api/chat/turns'),
      say('hello'),
      post('{'),
    ]
    answers.push(
      get('/', { 'sec-fetch-site': 'cross-site' }),
      say('hello', { origin: 'null' }),
      post('a'.repeat(20_000)),
    )
    isReady = () => Promise.reject(new Error('nobody knows'))
    answers.push(get('/readyz'))
    for (const response of await Promise.all(answers)) {
      const headers = Object.fromEntries(response.headers)
      expect(headers['content-security-policy'], `of ${response.url}`).toMatch(
        /^default-src 'none'; .*frame-ancestors 'none'$/,
      )
      expect(headers['content-security-policy']).not.toContain('unsafe')
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
      })
      expect(headers).not.toHaveProperty('access-control-allow-origin')
    }
    webChat.broken = new Error('password of the database')
    const failed = await get('/api/chat/turns', { cookie: ADA })
    expect(failed.headers.get('x-frame-options')).toBe('DENY')
    expect(await failed.clone().text()).not.toContain('password')
    expect(await codeOf(failed)).toBe('500 FAILED')
  })

  it.each([
    ['evil.example.test', 403],
    ['127.0.0.1.evil.example.test', 403],
    ['localhost.evil.example.test:3000', 403],
    ['localhost', 200],
    ['LOCALHOST:3000', 200],
    ['127.0.0.1:9', 200],
  ])('on loopback, asked by the name %s, answers %i', async (host, status) => {
    expect(await rawGet('/', { host })).toBe(status)
    expect(await rawGet('/api/chat/turns', { host })).toBe(status)
  })

  it.each([
    '/nowhere',
    '/index.html',
    '/../src/config.ts',
    '/%2e%2e/package.json',

    '/api',
    '/api/chat/',
  ])('has nothing at %s', async path => {
    expect(await rawGet(path, {})).toBe(404)
  })

  it('has its page, and nothing of it is kept without asking', async () => {
    const page = await get('/')
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(page.headers.get('cache-control')).toBe('no-cache')
    const html = await page.text()
    for (const [, path] of html.matchAll(/(?:src|href)="(\/[^"]+)"/g)) expect((await get(path ?? '')).status).toBe(200)
  })

  it('says whether it is able to work', async () => {
    expect(await (await get('/readyz')).json()).toEqual({ ok: true, checks: { database: 'ok' } })
    isReady = () => Promise.resolve({ ok: false, checks: { database: 'does not answer' } })
    expect((await get('/readyz')).status).toBe(503)
    expect(await (await get('/healthz')).json()).toEqual({ ok: true })
  })

  it('says so when its port is taken, and what to do', async () => {
    const { port } = new URL(url)
    const second = serverAt(Number(port))
    const error: unknown = await second.listen().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(PortInUseError)
    expect(error).toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining(`port ${port} on 127.0.0.1 is in use`),
    })
    await close(second)
    expect((await get('/healthz')).status).toBe(200)
  })
})
