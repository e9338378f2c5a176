import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** One request of a client: everything it sends before it waits for an answer. */
export interface ProxiedRequest {
  /** Counted over all connections since `watch` was called, from 1. */
  readonly number: number
  /** The statement's text. */
  readonly text: string
}

/**
 * What becomes of a request: it passes; the connection is reset before the server hears of it; or the server carries it
 * out and the connection is reset before its answer is passed on.
 */
export type Verdict = 'pass' | 'reset before' | 'reset after'

/** A network between a program and its PostgreSQL server that can be made to fail. */
export interface PostgresProxy {
  /** The same database, through the proxy. */
  readonly url: string
  /** Connections that are open at present. */
  readonly open: number
  /** Connections that were opened since the beginning. */
  readonly opened: number
  /** Asks `judge` what to do with every request from now on, counting from 1. */
  watch(judge: (request: ProxiedRequest) => Verdict): void
  /** Holds every request back for so long. */
  delay(ms: number): void
  /** Resets every connection. */
  reset(): void
  /** New connections are accepted and reset at once. */
  refuse(refusing: boolean): void
  /** Half-open: connections stay, new ones are accepted, and what is sent on either side goes nowhere, for ever. */
  swallow(): void
  /** As `swallow`, for the connections that LISTEN at this moment, and no other. */
  swallowListeners(): void
  /** New connections work again; those that swallowed bytes stay dead, as after a firewall forgot them. */
  heal(): void
  close(): Promise<void>
}

interface Network {
  judge: (request: ProxiedRequest) => Verdict
  requests: number
  delayMs: number
  swallowing: boolean
}

/** Starts a proxy on loopback, on a free port, in front of the server of `url`. */
export async function startPostgresProxy(url: string): Promise<PostgresProxy> {
  const target = new URL(url)
  const network: Network = { judge: () => 'pass', requests: 0, delayMs: 0, swallowing: false }
  const links = new Set<Link>()
  let opened = 0
  let refusing = false
  const server = createServer(client => {
    opened += 1
    client.on('error', () => {})
    if (refusing) return void client.resetAndDestroy()
    const link = new Link(client, connect(Number(target.port || 5432), target.hostname), network)
    links.add(link)
    client.once('close', () => links.delete(link))
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String((server.address() as AddressInfo).port)
  const reset = () => {
    for (const link of links) link.reset()
  }
  return {
    url: through.href,
    get open() {
      return links.size
    },
    get opened() {
      return opened
    },
    watch: judge => {
      network.judge = judge
      network.requests = 0
    },
    delay: ms => (network.delayMs = ms),
    reset,
    refuse: value => (refusing = value),
    swallow: () => {
      network.swallowing = true
      for (const link of links) link.dead = true
    },
    swallowListeners: () => {
      for (const link of links) link.dead ||= link.listens
    },
    heal: () => (network.swallowing = false),
    close: async () => {
      const closed = new Promise(resolve => server.close(resolve))
      reset()
      await closed
    },
  }
}

/** One client's connection and the server's end of it. */
class Link {
  readonly #client: Socket
  readonly #server: Socket
  readonly #network: Network
  readonly #fromClient = new Frames(false)
  readonly #fromServer = new Frames(true)
  #request: Buffer[] = []
  #withheld = false
  /** What either side sends is lost: also after the network is well again, since the stream has a hole. */
  dead: boolean
  listens = false

  constructor(client: Socket, server: Socket, network: Network) {
    this.#client = client
    this.#server = server
    this.#network = network
    this.dead = network.swallowing
    for (const socket of [client, server]) socket.setNoDelay(true)
    server.on('error', () => client.destroy())
    client.on('data', chunk => this.#hearClient(chunk))
    server.on('data', chunk => this.#hearServer(chunk))
    client.once('close', () => server.destroy())
    server.once('close', () => {
      if (!this.dead) client.destroy()
    })
  }

  reset(): void {
    this.#client.resetAndDestroy()
    this.#server.destroy()
  }

  #hearClient(chunk: Buffer): void {
    if (this.dead) return
    for (const frame of this.#fromClient.take(chunk)) {
      this.#request.push(frame.bytes)
      // What is not a query ends with itself: the start of a session, its end.
      if (frame.type === 'Q' || frame.type === 'S') this.#decide(Buffer.concat(this.#request.splice(0)))
      else if (frame.type === '' || frame.type === 'X') this.#forward(Buffer.concat(this.#request.splice(0)))
    }
  }

  #decide(bytes: Buffer): void {
    this.#network.requests += 1
    const text = bytes.toString('latin1')
    this.listens ||= /listen "/i.test(text.slice(0, 40))
    const verdict = this.#network.judge({ number: this.#network.requests, text })
    if (verdict === 'reset before') return this.reset()
    this.#withheld = verdict === 'reset after'
    this.#forward(bytes)
  }

  #forward(bytes: Buffer): void {
    const { delayMs } = this.#network
    if (delayMs === 0) this.#server.write(bytes)
    else setTimeout(() => this.#server.writable && this.#server.write(bytes), delayMs).unref()
  }

  #hearServer(chunk: Buffer): void {
    if (this.dead) return
    if (!this.#withheld) {
      this.#client.write(chunk)
      return
    }
    // 'Z', ready for the next query: the statement is carried out and committed.
    if (this.#fromServer.take(chunk).some(frame => frame.type === 'Z')) this.reset()
  }
}

/** Cuts a stream into the protocol's messages: a letter, four bytes of length, content. */
class Frames {
  #rest: Buffer = Buffer.alloc(0)
  #started: boolean

  /** @param started false: the first message has no letter (a client's start-up packet) */
  constructor(started: boolean) {
    this.#started = started
  }

  take(chunk: Buffer): { type: string; bytes: Buffer }[] {
    this.#rest = Buffer.concat([this.#rest, chunk])
    const frames: { type: string; bytes: Buffer }[] = []
    for (;;) {
      const header = this.#started ? 1 : 0
      if (this.#rest.length < header + 4) return frames
      const length = header + this.#rest.readInt32BE(header)
      if (this.#rest.length < length) return frames
      frames.push({
        type: this.#started ? String.fromCharCode(this.#rest[0] ?? 0) : '',
        bytes: this.#rest.subarray(0, length),
      })
      this.#rest = this.#rest.subarray(length)
      this.#started = true
    }
  }
}
