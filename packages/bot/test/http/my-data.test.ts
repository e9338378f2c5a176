import { request } from 'node:http'
import { silentLogger } from 'belfry'
import { TestClock } from 'belfry/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createHttpServer, type HttpServer } from '../../src/http/server.ts'
import { MemoryWebChat } from '../support/memory-web-chat.ts'

const ADA = 'belfry_user=ada-0123456789abcdef'
const BO = 'belfry_user=bo-0123456789abcdefg'

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

const get = (path: string, headers: Record<string, string> = {}) => fetch(`${url}${path}`, { headers })

function say(text: string, cookie = ADA): Promise<Response> {
  return fetch(`${url}/api/chat/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', cookie },
    body: JSON.stringify({ text, messageId: 'message-1' }),
  })
}

/** The id the bot knows the holder of a cookie by. */
async function idOf(cookie: string): Promise<string> {
  await say('who am I', cookie)
  return webChat.said.at(-1)?.userId ?? ''
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

describe("a person's own data", () => {
  it('is a file for whoever holds their cookie, and kept by nobody on the way', async () => {
    const response = await get('/api/chat/my-data', { cookie: ADA })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-disposition')).toBe('attachment; filename="my-data-2027-01-01.json"')
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(await response.json()).toEqual({ user_id: await idOf(ADA) })
    const other = (await (await get('/api/chat/my-data', { cookie: BO })).json()) as { user_id: string }
    expect(other).toEqual({ user_id: await idOf(BO) })
    expect(await idOf(ADA)).not.toBe(await idOf(BO))
  })

  it('cannot be asked for by an id, by a visitor without a cookie, or through a link elsewhere', async () => {
    const ada = await idOf(ADA)
    const asBo = await get(`/api/chat/my-data?userId=${ada}&user_id=${ada}`, { cookie: BO })
    expect(await asBo.json()).toEqual({ user_id: await idOf(BO) })
    const nobody = await get('/api/chat/my-data')
    expect(nobody.status).toBe(404)
    expect(await nobody.json()).toMatchObject({ error: { code: 'UNKNOWN_PERSON' } })
    expect(nobody.headers.get('set-cookie')).toBeNull()
    expect(await rawGet('/api/chat/my-data', { cookie: ADA, 'sec-fetch-site': 'cross-site' })).toBe(403)
  })
})

describe('an answer that is kept nowhere', () => {
  it('comes with the request itself', async () => {
    webChat.aside = 'Done.'
    expect(await (await say('!forget_me confirm')).json()).toEqual({ accepted: true, aside: 'Done.' })
    webChat.aside = undefined
    expect(await (await say('hello')).json()).toEqual({ accepted: true })
  })
})
