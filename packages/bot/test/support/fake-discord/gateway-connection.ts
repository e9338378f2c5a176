import type { WebSocket } from 'ws'
import { z } from 'zod'
import { Intent, type Doorkeeper, type Session } from './session.ts'

/** What a client may send, by op: heartbeat, identify, presence, resume. */
const payloads = z.discriminatedUnion('op', [
  z.object({ op: z.literal(1), d: z.number().int().nullable() }),
  z.object({
    op: z.literal(2),
    d: z.object({
      token: z.string(),
      intents: z.number().int().nonnegative(),
      properties: z.object({ os: z.string(), browser: z.string(), device: z.string() }),
      shard: z.tuple([z.number().int(), z.number().int()]).optional(),
      compress: z.boolean().optional(),
      large_threshold: z.number().int().min(50).max(250).optional(),
      presence: z.unknown().optional(),
    }),
  }),
  z.object({ op: z.literal(3), d: z.unknown() }),
  z.object({ op: z.literal(6), d: z.object({ token: z.string(), session_id: z.string(), seq: z.number().int() }) }),
])
type Payload = z.infer<typeof payloads>

/** Highest bit of a documented intent: DIRECT_MESSAGE_POLLS. */
const LAST_INTENT = 25
/** Largest payload a client may send, and most of them in a minute. */
const [LARGEST, MOST_PER_MINUTE] = [4_096, 120]

/** One WebSocket of a client. */
export class GatewayConnection {
  readonly socket: WebSocket
  readonly #gateway: Doorkeeper
  #session: Session | undefined
  #heard = 0
  #received: number[] = []
  #watch: NodeJS.Timeout | undefined

  constructor(gateway: Doorkeeper, socket: WebSocket, query: URLSearchParams) {
    this.#gateway = gateway
    this.socket = socket
    socket.on('error', () => {})
    socket.once('close', () => this.#gone())
    if (query.get('v') !== '10') this.#refuse(4012)
    else if (query.get('encoding') !== 'json') this.#refuse(4002)
    else this.#welcome()
  }

  get session(): Session | undefined {
    return this.#session
  }

  send(payload: { op: number; d: unknown }): void {
    this.socket.send(JSON.stringify({ s: null, t: null, ...payload }))
  }

  deliver(event: { s: number; t: string; d: unknown }): void {
    if (this.socket.readyState === this.socket.OPEN) this.socket.send(JSON.stringify({ op: 0, ...event }))
  }

  end(): void {
    clearInterval(this.#watch)
    this.socket.terminate()
  }

  #welcome(): void {
    this.#heard = performance.now()
    const interval = this.#gateway.heartbeatIntervalMs
    this.send({ op: 10, d: { heartbeat_interval: interval } })
    this.#watch = setInterval(() => {
      if (performance.now() - this.#heard > interval * 1.5) this.#refuse(4009)
    }, interval / 2)
    this.socket.on('message', (data: Buffer) => this.#receive(data.toString('utf8')))
  }

  #receive(text: string): void {
    const now = performance.now()
    this.#received = [...this.#received.filter(at => now - at < 60_000), now]
    if (this.#received.length > MOST_PER_MINUTE) return this.#refuse(4008)
    if (Buffer.byteLength(text) > LARGEST) return this.#refuse(4002)
    const payload = read(text)
    if (payload === 'no json' || payload === 'ill-typed') return this.#refuse(4002)
    if (payload === 'unknown op') return this.#refuse(4001)
    this.#handle(payload)
  }

  #handle(payload: Payload): void {
    switch (payload.op) {
      case 1:
        this.#heard = performance.now()
        return this.send({ op: 11, d: null })
      case 2:
        return this.#identify(payload.d)
      case 6:
        return this.#resume(payload.d)
      case 3:
        return this.#session ? undefined : this.#refuse(4003)
    }
  }

  #identify(d: Extract<Payload, { op: 2 }>['d']): void {
    if (this.#session) return this.#refuse(4005)
    const { application } = this.#gateway
    if (d.token !== application.token) return this.#refuse(4004)
    if (d.intents >= 2 ** (LAST_INTENT + 1)) return this.#refuse(4013)
    const privileged =
      (application.messageContent ? 0 : Intent.messageContent) |
      (application.guildMembers ? 0 : Intent.guildMembers) |
      (application.presences ? 0 : Intent.guildPresences)
    if (d.intents & privileged) return this.#refuse(4014)
    const session = this.#gateway.identify(this, { intents: d.intents, shard: d.shard ?? [0, 1] })
    if (session === 0) return this.send({ op: 9, d: false })
    if (typeof session === 'number') return this.#refuse(session)
    this.#session = session
  }

  #resume(d: Extract<Payload, { op: 6 }>['d']): void {
    if (this.#session) return this.#refuse(4005)
    if (d.token !== this.#gateway.application.token) return this.#refuse(4004)
    this.#session = this.#gateway.resume(this, { sessionId: d.session_id, sequence: d.seq })
    if (!this.#session) this.send({ op: 9, d: false })
  }

  #refuse(code: number): void {
    clearInterval(this.#watch)
    this.socket.close(code)
  }

  #gone(): void {
    clearInterval(this.#watch)
    if (this.#session?.connection === this) this.#session.connection = undefined
  }
}

function read(text: string): Payload | 'no json' | 'ill-typed' | 'unknown op' {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return 'no json'
  }
  const op = typeof json === 'object' && json !== null && 'op' in json ? json.op : undefined
  if (op !== 1 && op !== 2 && op !== 3 && op !== 6) return 'unknown op'
  const parsed = payloads.safeParse(json)
  return parsed.success ? parsed.data : 'ill-typed'
}
