import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'

/** What the fake does with one request; the last entry of a script is repeated. */
export type Scene =
  | {
      readonly kind: 'answer'
      readonly content: string | null
      readonly finishReason?: string
      readonly reasoning?: string
    }
  | {
      readonly kind: 'status'
      readonly status: number
      readonly headers?: Record<string, string>
      readonly body?: string
    }
  | { readonly kind: 'body'; readonly body: string; readonly contentType?: string }
  /** A streamed answer, one event per piece. */
  | StreamScene
  /** Takes the request and never says a word; or only the head of an answer, or also a part of it. */
  | { readonly kind: 'hang'; readonly afterHead?: boolean; readonly part?: string }
  /** Sends the same few bytes again and again for as long as somebody listens. */
  | { readonly kind: 'drip'; readonly drop: string; readonly contentType?: string }
  /** Promises a whole answer and closes the connection in the middle of it. */
  | { readonly kind: 'cut' }
  /** Closes the connection before a word. */
  | { readonly kind: 'reset' }
  /** As many bytes as wanted, of nothing. */
  | { readonly kind: 'flood'; readonly bytes: number }
  /** Tells everything it was sent, key included, in an answer that is no completion. */
  | { readonly kind: 'echo'; readonly status: number }

export interface StreamScene {
  readonly kind: 'stream'
  readonly pieces: readonly string[]
  /** Default `stop`; null: none is ever given. */
  readonly finishReason?: string | null
  /** After the last piece: the protocol's last word, an end without it, a cut connection, silence, an error event. */
  readonly end?: 'done' | 'close' | 'cut' | 'hang' | 'error'
  readonly usage?: boolean
  readonly contentType?: string
  /** Waited for before every piece but the first. */
  readonly next?: () => Promise<unknown>
}

export interface SeenRequest {
  readonly headers: IncomingHttpHeaders
  readonly body: z.infer<typeof requestShape>
}

export interface FakeLlm {
  /** Ends in `/v1`, as endpoints are configured. */
  readonly baseUrl: string
  /** Requests that kept the rules, in order. */
  readonly seen: readonly SeenRequest[]
  /** What was wrong with requests that did not keep the rules. */
  readonly refused: readonly string[]
  /** Bytes of floods that the other side took. */
  readonly flooded: number
  play(...script: Scene[]): void
  /** Resolves when so many requests have arrived in all. */
  arrived(count: number): Promise<void>
  close(): Promise<void>
}

/** Anything else than what every OpenAI-compatible endpoint takes is refused, so that a client cannot rely on leniency. */
const requestShape = z
  .strictObject({
    model: z.string().min(1),
    messages: z.array(z.strictObject({ role: z.enum(['system', 'user', 'assistant']), content: z.string() })).min(1),
    max_tokens: z.number().int().positive().optional(),
    max_completion_tokens: z.number().int().positive().optional(),
    temperature: z.number().min(0).max(2).optional(),
    stream: z.boolean().optional(),
  })
  .refine(body => (body.max_tokens === undefined) !== (body.max_completion_tokens === undefined), 'one limit, not two')

/** A strict OpenAI-compatible endpoint on loopback that plays a script. */
export async function startFakeLlm(...script: Scene[]): Promise<FakeLlm> {
  const seen: SeenRequest[] = []
  const refused: string[] = []
  const waiting: { count: number; resolve: () => void }[] = []
  let scenes = script
  let played = 0
  let flooded = 0

  const server = createServer((request, response) => {
    void readBody(request).then(
      text => {
        const fault = faultOf(request, text)
        if (fault !== undefined) {
          refused.push(fault)
          return response.writeHead(400).end(JSON.stringify({ error: { message: fault } }))
        }
        seen.push({ headers: request.headers, body: requestShape.parse(JSON.parse(text)) })
        for (const { count, resolve } of waiting) if (seen.length >= count) resolve()
        const scene = scenes[Math.min(played, scenes.length - 1)] ?? { kind: 'hang' }
        played += 1
        return perform(scene, { request, response, onFlood: bytes => (flooded += bytes) })
      },
      () => response.destroy(),
    )
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    seen,
    refused,
    get flooded() {
      return flooded
    },
    play: (...next) => {
      scenes = next
      played = 0
    },
    arrived: count =>
      new Promise(resolve => {
        if (seen.length >= count) resolve()
        else waiting.push({ count, resolve })
      }),
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

function faultOf({ method, url, headers }: IncomingMessage, text: string): string | undefined {
  if (method !== 'POST' || url !== '/v1/chat/completions')
    return `expected POST /v1/chat/completions, got ${method} ${url}`
  if (headers['content-type'] !== 'application/json') return `expected JSON, got ${headers['content-type']}`
  if (headers.authorization !== undefined && !/^Bearer \S+$/.test(headers.authorization))
    return 'expected a bearer token'
  try {
    const checked = requestShape.safeParse(JSON.parse(text))
    return checked.success ? undefined : checked.error.message
  } catch {
    return 'expected a body of JSON'
  }
}

interface Stage {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly onFlood: (bytes: number) => void
}

function perform(scene: Scene, { request, response, onFlood }: Stage): unknown {
  switch (scene.kind) {
    case 'answer':
      return response.writeHead(200, { 'content-type': 'application/json' }).end(completion(scene))
    case 'status':
      return response.writeHead(scene.status, scene.headers).end(scene.body ?? '{"error":{"message":"no"}}')
    case 'body':
      return response.writeHead(200, { 'content-type': scene.contentType ?? 'application/json' }).end(scene.body)
    case 'echo':
      return response.writeHead(scene.status).end(JSON.stringify(request.headers))
    case 'reset':
      return request.socket.destroy()
    case 'hang':
      if (!scene.afterHead && scene.part === undefined) return undefined
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders()
      return scene.part !== undefined && response.write(scene.part)
    case 'stream':
      return void stream(scene, request, response)
    case 'drip':
      return drip(scene, response)
    case 'cut': {
      const whole = completion({ content: 'never whole' })
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': whole.length })
      return response.write(whole.slice(0, 40), () => request.socket.destroy())
    }
    case 'flood':
      return flood(response, scene.bytes, onFlood)
  }
}

function completion({
  content,
  finishReason = 'stop',
  reasoning,
}: Omit<Extract<Scene, { kind: 'answer' }>, 'kind'>): string {
  return JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1_800_000_000,
    model: 'fake',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content, ...(reasoning && { reasoning }) },
        finish_reason: finishReason,
      },
    ],
    usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
  })
}

/** Writes only as fast as the other side takes it, until it has enough or leaves. */
function flood(response: ServerResponse, bytes: number, onFlood: (bytes: number) => void): void {
  const chunk = Buffer.alloc(65_536, ' ')
  let left = bytes
  response.writeHead(200, { 'content-type': 'application/json' })
  const pour = (): void => {
    while (left > 0 && !response.destroyed) {
      left -= chunk.length
      onFlood(chunk.length)
      if (!response.write(chunk)) {
        response.once('drain', pour)
        return
      }
    }
    response.end()
  }
  pour()
}

async function stream(scene: StreamScene, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pieces, finishReason = 'stop', end = 'done', usage = true, next } = scene
  response.writeHead(200, { 'content-type': scene.contentType ?? 'text/event-stream; charset=utf-8' })
  const send = (choice: unknown, more: object = {}) => {
    const chunk = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_800_000_000, model: 'fake', ...more }
    response.write(`data: ${JSON.stringify({ ...chunk, choices: [choice] })}\n\n`)
  }
  send({ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null })
  for (const [index, content] of pieces.entries()) {
    if (index > 0) await next?.()
    send({ index: 0, delta: { content }, finish_reason: null })
  }
  if (end === 'hang') return
  if (end === 'error') response.write('data: {"error":{"message":"the provider went away","code":502}}\n\n')
  else if (end !== 'cut' && finishReason !== null) {
    const used = usage && { usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 } }
    send({ index: 0, delta: {}, finish_reason: finishReason }, { ...used })
  }
  if (end === 'done') response.write('data: [DONE]\n\n')
  if (end === 'cut') response.write(': cut\n\n', () => request.socket.destroy())
  else response.end()
}

/** A drop at a time, as fast as the machine turns, until nobody listens any more. */
function drip({ drop, contentType = 'application/json' }: Extract<Scene, { kind: 'drip' }>, response: ServerResponse) {
  response.writeHead(200, { 'content-type': contentType })
  const timer = setInterval(() => response.write(drop), 1)
  response.once('close', () => clearInterval(timer))
}
