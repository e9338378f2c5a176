import { silentLogger } from 'belfry'
import { TestClock } from 'belfry/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createHttpServer, type HttpServer } from '../../src/http/server.ts'
import { MemoryWebChat } from '../support/memory-web-chat.ts'

const ADA = 'belfry_user=ada-0123456789abcdef'

let clock: TestClock
let webChat: MemoryWebChat
let server: HttpServer
let url: string

beforeEach(async () => {
  clock = new TestClock()
  webChat = new MemoryWebChat()
  const health = { ready: () => Promise.resolve({ ok: true, checks: {} }) }
  server = createHttpServer({ host: '127.0.0.1', port: 0, webChat, health, clock, logger: silentLogger })
  url = (await server.listen()).url
})
afterEach(async () => {
  const closed = server.close()
  clock.advance('1s')
  await closed
})

function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${url}/api/chat/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', cookie: ADA, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

const say = (text: string) => post('messages', { text, messageId: 'message-1' })

async function idOfAda(): Promise<string> {
  await say('who am I')
  return webChat.said.at(-1)?.userId ?? ''
}

async function codeOf(response: Response): Promise<string> {
  const { error } = (await response.json()) as { error: { code: string } }
  return `${response.status} ${error.code}`
}

describe('a button under a follow-up', () => {
  const PRESS = { followUpId: 7, action: 'later', messageId: 'press-0001' }
  const press = (body: unknown, headers: Record<string, string> = {}) => post('actions', body, headers)

  it('is known by the follow-up it belongs to', async () => {
    const ada = await idOfAda()
    webChat.add(ada, { author: 'bot', kind: 'follow_up', text: 'How was it?', followUpId: 7 })
    const { turns } = (await (await fetch(`${url}/api/chat/turns?after=2`, { headers: { cookie: ADA } })).json()) as {
      turns: unknown[]
    }
    expect(turns).toMatchObject([{ kind: 'follow_up', followUpId: 7 }])
  })

  it('is taken as a press of the person behind the cookie', async () => {
    const ada = await idOfAda()
    expect((await press(PRESS, { origin: url, 'sec-fetch-site': 'same-origin' })).status).toBe(202)
    expect(webChat.pressed).toEqual([{ ...PRESS, userId: ada }])
  })

  it.each<[string, unknown]>([
    ['no JSON', '{"action":'],
    ['another action', { ...PRESS, action: 'delete' }],
    ['no follow-up', { ...PRESS, followUpId: undefined }],
    ['a follow-up that is no number', { ...PRESS, followUpId: '7' }],
    ['a follow-up below one', { ...PRESS, followUpId: 0 }],
    ['half a follow-up', { ...PRESS, followUpId: 1.5 }],
    ['a follow-up beyond all numbers', { ...PRESS, followUpId: 1e300 }],
    ['no id', { ...PRESS, messageId: undefined }],
  ])('with %s is refused', async (_what, body) => {
    expect(await codeOf(await press(body))).toBe('400 BAD_MESSAGE')
    expect(webChat.pressed).toEqual([])
  })

  it('is refused from a page elsewhere, as another type, and too large', async () => {
    expect(await codeOf(await press(PRESS, { origin: 'https://elsewhere.example.test' }))).toBe('403 FOREIGN_PAGE')
    expect(await codeOf(await press(PRESS, { 'sec-fetch-site': 'cross-site' }))).toBe('403 FOREIGN_PAGE')
    expect(await codeOf(await press(PRESS, { 'content-type': 'text/plain' }))).toBe('415 NOT_JSON')
    expect(await codeOf(await press({ ...PRESS, more: 'a'.repeat(16_384) }))).toBe('413 TOO_LARGE')
    expect(webChat.pressed).toEqual([])
  })

  it('counts with messages toward what is too fast', async () => {
    for (let count = 0; count < 10; count += 1) {
      await say(`${count}`)
      await press(PRESS)
    }
    expect(await codeOf(await press(PRESS))).toBe('429 TOO_FAST')
    expect(await codeOf(await say('one more'))).toBe('429 TOO_FAST')
  })

  it('that cannot be answered is an error that tells nothing of the inside', async () => {
    webChat.broken = new Error('password of the database')
    const response = await press(PRESS)
    expect(await response.clone().text()).not.toContain('password')
    expect(await codeOf(response)).toBe('503 FAILED')
  })
})
