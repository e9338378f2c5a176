import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { PlatformName } from '../../src/messaging/message.ts'
import {
  DeliveryError,
  type Delivery,
  type DeliveryFailure,
  type OutboundMessage,
  type RemotePlatform,
  type SentQuery,
} from '../../src/messaging/platform.ts'

/** What the platform does with one message instead of accepting and answering it. */
export type Fault =
  | { readonly do: 'refuse'; readonly failure: DeliveryFailure; readonly code: string; readonly retryAfterMs?: number }
  /** In its conversation, and no answer ever comes. */
  | { readonly do: 'accept, then hang' }
  /** In its conversation, and the connection ends before the answer. */
  | { readonly do: 'accept, then cut' }
  | { readonly do: 'cut' }

/** A message that is in its conversation. */
export interface Accepted {
  readonly platformMessageId: string
  readonly userId: string
  readonly conversationId: string
  readonly text: string
  readonly nonce: string
}

/** A point of a request at which it is held until a test lets it go. */
export interface Hold {
  /** Resolves when a request is there. */
  readonly reached: Promise<void>
  release(): void
}

/**
 * A platform that keeps a journal of what it has accepted: the oracle of "exactly once". It recognises nonces until it is
 * told to forget them, and does once what it is told to.
 */
export class ScriptedPlatform implements RemotePlatform {
  readonly name: PlatformName = 'discord'
  readonly nonceWindowMs: number
  readonly journal: Accepted[] = []
  /** Every request to send, accepted or not. */
  readonly asked: OutboundMessage[] = []
  readonly looked: SentQuery[] = []
  readonly faults: Fault[] = []
  /** Requests to send that were answered with a message. */
  answered = 0
  isReadable = true
  /** Where messages really go, when that is not the conversation they were meant for. */
  goesTo: string | undefined
  readonly #known = new Map<string, Accepted>()
  readonly #holds: { at: 'before' | 'after'; reach: () => void; released: Promise<void> }[] = []

  constructor({ nonceWindowMs = 90_000 }: { nonceWindowMs?: number } = {}) {
    this.nonceWindowMs = nonceWindowMs
  }

  /** The next request is held before it is accepted, or between that and its answer. */
  hold(at: 'before' | 'after'): Hold {
    let reach = () => {}
    let release = () => {}
    const reached = new Promise<void>(resolve => (reach = resolve))
    const released = new Promise<void>(resolve => (release = resolve))
    this.#holds.push({ at, reach, released })
    return { reached, release }
  }

  /** What minutes would bring: nonces are recognised no more. */
  forgetNonces(): void {
    this.#known.clear()
  }

  async send(message: OutboundMessage, signal: AbortSignal): Promise<Delivery> {
    this.asked.push(message)
    const hold = this.#holds.shift()
    if (hold?.at === 'before') await this.#held(hold)
    signal.throwIfAborted()
    const fault = this.faults.shift()
    if (fault?.do === 'refuse') {
      const { failure, code, retryAfterMs } = fault
      throw new DeliveryError(
        failure,
        code,
        'refused by the script',
        retryAfterMs === undefined ? {} : { retryAfterMs },
      )
    }
    if (fault?.do === 'cut') throw new Error('the connection was closed')
    const delivery = this.#accept(message)
    if (fault?.do === 'accept, then cut') throw new Error('the connection was closed')
    if (fault?.do === 'accept, then hang') await aborted(signal)
    if (hold?.at === 'after') await this.#held(hold)
    this.answered += 1
    return delivery
  }

  findSent(query: SentQuery): Promise<Delivery | 'absent' | 'unreadable'> {
    this.looked.push(query)
    if (!this.isReadable) return Promise.resolve('unreadable')
    const found = this.journal.find(
      each => each.conversationId === query.conversationId && (each.nonce === query.nonce || each.text === query.text),
    )
    const { platformMessageId } = found ?? {}
    return Promise.resolve(platformMessageId === undefined ? 'absent' : { platformMessageId, deduplicated: false })
  }

  #accept({ userId, conversationId, text, nonce }: OutboundMessage): Delivery {
    const earlier = this.#known.get(nonce)
    if (earlier) return { platformMessageId: earlier.platformMessageId, deduplicated: true }
    const accepted = { platformMessageId: `m-${this.journal.length + 1}`, userId, conversationId, text, nonce }
    this.journal.push(accepted)
    this.#known.set(nonce, accepted)
    return {
      platformMessageId: accepted.platformMessageId,
      deduplicated: false,
      ...(this.goesTo !== undefined && { conversationId: this.goesTo }),
    }
  }

  #held(hold: { reach: () => void; released: Promise<void> }): Promise<void> {
    hold.reach()
    return hold.released
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = () => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
    if (signal.aborted) fail()
    signal.addEventListener('abort', fail, { once: true })
  })
}

/** The same platform behind HTTP on loopback, for bots in processes of their own; see `remote-bot.mjs`. */
export async function servePlatform(platform: ScriptedPlatform): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => void answer(platform, request, response))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(platform: ScriptedPlatform, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController()
  response.on('close', () => gone.abort(new Error('the other side is gone')))
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += String(chunk)
  try {
    const body: unknown = JSON.parse(text)
    const result =
      request.url === '/send'
        ? await platform.send(body as OutboundMessage, gone.signal)
        : await platform.findSent(body as SentQuery)
    response.setHeader('content-type', 'application/json').end(JSON.stringify(result))
  } catch (error) {
    if (!(error instanceof DeliveryError)) return void response.destroy()
    const { failure, code, retryAfterMs } = error
    response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ failure, code, retryAfterMs }))
  }
}
