import { request } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PortInUseError } from '../../src/http/server.ts'
import { ADA, ChatServer, codeOf } from '../support/chat-server.ts'

let chat: ChatServer
beforeEach(async () => {
  chat = await ChatServer.start()
})
afterEach(() => chat.close())

/** A GET with headers that fetch does not let anybody set. */
function rawGet(path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(`${chat.url}${path}`, { headers, agent: false }, response => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    asked.on('error', reject).end()
  })
}

describe('the server', () => {
  it('sends its headers with every answer', async () => {
    const answers = [
      chat.get('/'),
      chat.get('/chat.js'),
      chat.get('/nowhere'),
      chat.get('/healthz'),
      chat.get('/readyz'),
      chat.get('/api/chat/turns'),
      chat.say('hello'),
      chat.post('{'),
    ]
    answers.push(
      chat.get('/', { 'sec-fetch-site': 'cross-site' }),
      chat.say('hello', { origin: 'null' }),
      chat.post('a'.repeat(20_000)),
    )
    chat.isReady = () => Promise.reject(new Error('nobody knows'))
    answers.push(chat.get('/readyz'))
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
    chat.webChat.broken = new Error('password of the database')
    const failed = await chat.get('/api/chat/turns', { cookie: ADA })
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
    const page = await chat.get('/')
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(page.headers.get('cache-control')).toBe('no-cache')
    const html = await page.text()
    for (const [, path] of html.matchAll(/(?:src|href)="(\/[^"]+)"/g))
      expect((await chat.get(path ?? '')).status).toBe(200)
  })

  it('says whether it is able to work', async () => {
    expect(await (await chat.get('/readyz')).json()).toEqual({ ok: true, checks: { database: 'ok' } })
    chat.isReady = () => Promise.resolve({ ok: false, checks: { database: 'does not answer' } })
    expect((await chat.get('/readyz')).status).toBe(503)
    expect(await (await chat.get('/healthz')).json()).toEqual({ ok: true })
  })

  it('says so when its port is taken, and what to do', async () => {
    const { port } = new URL(chat.url)
    const second = new ChatServer(Number(port))
    const error: unknown = await second.server.listen().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(PortInUseError)
    expect(error).toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining(`port ${port} on 127.0.0.1 is in use`),
    })
    await second.close()
    expect((await chat.get('/healthz')).status).toBe(200)
  })
})
