import { silentLogger } from 'belfry'
import { TestClock } from 'belfry/testing'
import { expect } from 'vitest'
import { createHttpServer, type HttpServer } from '../../src/http/server.ts'
import { MemoryWebChat } from './memory-web-chat.ts'

export const ADA = 'belfry_user=ada-0123456789abcdef'
export const BO = 'belfry_user=bo-0123456789abcdefg'

/** The HTTP server over a bot in memory, and what pages ask of it. */
export class ChatServer {
  readonly clock = new TestClock()
  readonly webChat = new MemoryWebChat()
  readonly server: HttpServer
  url = ''
  isReady: () => Promise<{ ok: boolean; checks: Record<string, string> }> = () =>
    Promise.resolve({ ok: true, checks: { database: 'ok' } })

  /** @param port 0 for a free one */
  constructor(port: number) {
    const { clock, webChat } = this
    const health = { ready: () => this.isReady() }
    this.server = createHttpServer({ host: '127.0.0.1', port, webChat, health, clock, logger: silentLogger })
  }

  static async start(): Promise<ChatServer> {
    const chat = new ChatServer(0)
    chat.url = (await chat.server.listen()).url
    return chat
  }

  /** Connections that are still open after half a second of the server's time are cut. */
  async close(): Promise<void> {
    const closed = this.server.close()
    this.clock.advance('1s')
    await closed
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, { headers })
  }

  post(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${this.url}/api/chat/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', cookie: ADA, ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
  }

  say(text: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.post({ text, messageId: 'message-1' }, headers)
  }
}

/** The status and code of an error, after making sure that it says something. */
export async function codeOf(response: Response): Promise<string> {
  const { error } = (await response.json()) as { error: { code: string; message: string } }
  expect(error.message).not.toBe('')
  return `${response.status} ${error.code}`
}
