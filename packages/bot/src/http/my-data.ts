import type { Handler } from 'hono'
import type { RateLimit } from './rate-limit.ts'
import { fault, knownPersonOf } from './security.ts'
import type { WebChat } from './web-chat.ts'

/** A person's own data, as a file for the holder of their cookie: there is no way to name somebody else. */
export function handOutData(parts: { webChat: WebChat; limit: RateLimit }): Handler {
  return async context => {
    // HEAD arrives here too; an export for nobody would be noted as one.
    if (context.req.method === 'HEAD') return context.body(null, 200)
    const userId = knownPersonOf(context)
    if (userId === undefined)
      return context.json(fault('UNKNOWN_PERSON', 'Nothing is stored about you here: you have not talked to me.'), 404)
    const waitMs = parts.limit.take(userId)
    if (waitMs > 0) {
      context.header('Retry-After', String(Math.ceil(waitMs / 1_000)))
      return context.json(fault('TOO_FAST', 'That was a lot at once. Give it a few seconds.'), 429)
    }
    const { name, content } = await parts.webChat.exportData(userId)
    context.header('Content-Disposition', `attachment; filename="${name}"`)
    context.header('Cache-Control', 'no-store')
    return context.body(content, 200, { 'Content-Type': 'application/json; charset=utf-8' })
  }
}
