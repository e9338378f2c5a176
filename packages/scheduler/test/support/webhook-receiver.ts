import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gate } from './settled.ts'

interface Received {
  readonly path: string | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A receiver on loopback that answers as each story says, and remembers what it was sent. */
export class WebhookReceiver {
  readonly received: Received[] = []
  answer: (response: ServerResponse) => void = response => response.writeHead(204).end()
  arrived = gate()
  readonly #server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      this.received.push({ path: request.url, headers: request.headers, body: Buffer.concat(chunks).toString() })
      this.arrived.open()
      this.answer(response)
    })
  })

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
  }
  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hooks/private-token`
  }
  reset(): void {
    this.received.length = 0
    this.arrived = gate()
  }
}
