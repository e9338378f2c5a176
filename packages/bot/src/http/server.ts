import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { extname } from 'node:path'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import type { Clock, Logger } from 'belfry'
import { Hono } from 'hono'
import { chatRoutes } from './chat-routes.ts'
import { fault, isLoopback, refuseForeignHosts, securityHeaders } from './security.ts'
import type { Health, WebChat } from './web-chat.ts'

export interface HttpServerParts {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly webChat: WebChat
  readonly health: Health
  readonly clock: Clock
  readonly logger: Logger
}

export interface HttpServer {
  /** @throws PortInUseError */
  listen(): Promise<{ url: string }>
  /** Ends open streams and connections; resolves when nothing is left. */
  close(): Promise<void>
}

/** The address is taken. */
export class PortInUseError extends Error {
  override readonly name = 'PortInUseError'
  readonly code = 'PORT_IN_USE'
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** The page's files, read once: they ship as they are, and lie in `src` for the built program too. */
function readPage(): ReadonlyMap<string, { type: string; body: string }> {
  const folder = new URL('../../src/http/public/', import.meta.url)
  return new Map(
    readdirSync(folder).map(name => [
      name === 'index.html' ? '/' : `/${name}`,
      { type: TYPES[extname(name)] ?? 'application/octet-stream', body: readFileSync(new URL(name, folder), 'utf8') },
    ]),
  )
}

/** The bot's HTTP side: the chat page, its API, health. */
export function createHttpServer(parts: HttpServerParts): HttpServer {
  const closing = new AbortController()
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.use(securityHeaders)
  app.get('/healthz', context => context.json({ ok: true }))
  app.get('/readyz', async context => {
    const { ok, checks } = await parts.health.ready().catch(() => ({ ok: false, checks: { health: 'cannot be told' } }))
    return context.json({ ok, checks }, ok ? 200 : 503)
  })
  app.use(refuseForeignHosts(isLoopback(parts.host)))
  for (const [path, file] of readPage()) {
    app.get(path, context => {
      context.header('Cache-Control', 'no-cache')
      return context.body(file.body, 200, { 'Content-Type': file.type })
    })
  }
  app.route('/api/chat', chatRoutes({ ...parts, closing: closing.signal }))
  app.notFound(context => context.json(fault('NOT_FOUND', 'There is nothing here. The chat is at /.'), 404))
  app.onError((error, context) => {
    parts.logger.error({ event: 'http_fault', path: context.req.path, reason: error.message }, 'a request failed')
    return context.json(fault('FAILED', 'Something went wrong on my side.'), 500)
  })
  const listener = getRequestListener(app.fetch)
  const server = createServer((request, response) => void listener(request, response))
  return {
    listen: () => listen(server, parts),
    close: () =>
      new Promise(resolve => {
        closing.abort()
        const impatience = parts.clock.setTimer(500, () => server.closeAllConnections())
        server.close(() => {
          impatience.cancel()
          resolve()
        })
        server.closeIdleConnections()
      }),
  }
}

function listen(server: Server, { host, port }: HttpServerParts): Promise<{ url: string }> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') return reject(error)
      reject(
        new PortInUseError(
          `port ${port} on ${host} is in use. Choose another one: PORT=${port < 65_535 ? port + 1 : 0} npm start (0 takes a free one).`,
        ),
      )
    })
    server.listen(port, host.replace(/^\[|\]$/g, ''), () => {
      const address = server.address()
      const actual = typeof address === 'object' && address ? address.port : port
      resolve({ url: `http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${actual}` })
    })
  })
}
