import type { HttpBindings } from '@hono/node-server'
import { sleep, type Clock, type Logger } from 'belfry'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { streamSSE, type SSEStreamingApi } from 'hono/streaming'
import { z } from 'zod'
import type { Turn } from '../messaging/message.ts'
import { Intake } from './intake.ts'
import { handOutData } from './my-data.ts'
import { fault, isFromOperator, personOf, refuseForeignLinks, refuseForeignPages } from './security.ts'
import type { WebChat } from './web-chat.ts'

export interface ChatRouteParts {
  readonly webChat: WebChat
  readonly clock: Clock
  readonly logger: Logger
  /** Aborts when the server stops: open streams end. */
  readonly closing: AbortSignal
}

const LARGEST_BODY = 16_384
const messageId = z.string().regex(/^[\w-]{8,64}$/)
const messageShape = z.object({
  text: z.string().trim().min(1).max(4_000),
  messageId,
  displayName: z.string().trim().max(64).optional(),
})
const pressShape = z.object({
  followUpId: z.int().positive(),
  action: z.enum(['stop', 'later', 'why']),
  messageId,
})
/** Proxies and browsers drop a stream that says nothing for longer. */
const HEARTBEAT_MS = 15_000
/** A draft grows with every word; more often than this nobody sees a difference. */
const DRAFT_INTERVAL_MS = 60

/** `/api/chat`: read turns, hear of new ones, say something, press a button, take one's own data along. */
export function chatRoutes({ webChat, clock, logger, closing }: ChatRouteParts): Hono<{ Bindings: HttpBindings }> {
  const routes = new Hono<{ Bindings: HttpBindings }>()
  const intake = new Intake({ clock, logger })
  routes.use(refuseForeignLinks)

  routes.get('/turns', async context => {
    const turns = await webChat.turnsAfter(personOf(context), turnIdOf(context.req.query('after')))
    return context.json({ botName: webChat.botName, turns: turns.map(shown) })
  })

  routes.get('/events', context => {
    // HEAD arrives here too, with nobody to read a stream.
    if (context.req.method === 'HEAD') return context.body(null, 200)
    const userId = personOf(context)
    const after = turnIdOf(context.req.header('last-event-id') ?? context.req.query('after'))
    context.header('X-Accel-Buffering', 'no')
    return streamSSE(context, stream =>
      sendTurns({ stream, userId, after, webChat, clock, closing }).catch((error: unknown) => {
        // The stream ends, and the page comes back by itself.
        const reason = error instanceof Error ? error.message : String(error)
        logger.warn({ event: 'turn_stream_failed', reason }, 'a stream of turns broke off')
      }),
    )
  })

  const tooLarge = bodyLimit({
    maxSize: LARGEST_BODY,
    onError: context => context.json(fault('TOO_LARGE', `Expected at most ${LARGEST_BODY} bytes.`), 413),
  })
  routes.post('/messages', refuseForeignPages, tooLarge, context =>
    intake.take(context, messageShape, ({ displayName, ...message }, userId) => {
      const fromOperator = isFromOperator(context, context.env.incoming.socket.remoteAddress)
      const locale = localeOf(context.req.header('accept-language'))
      return webChat.say({
        ...message,
        userId,
        displayName: displayName || 'friend',
        fromOperator,
        ...(locale && { locale }),
      })
    }),
  )
  routes.post('/actions', refuseForeignPages, tooLarge, context =>
    intake.take(context, pressShape, async (press, userId) => {
      await webChat.press({ ...press, userId })
      return {}
    }),
  )
  routes.get('/my-data', handOutData({ webChat, limit: intake.limit }))
  return routes
}

function turnIdOf(text: string | undefined): number {
  return text && /^\d{1,15}$/.test(text) ? Number(text) : 0
}

/** A turn as the page gets it. */
function shown(turn: Turn): Record<string, unknown> {
  const { turnId: id, author, kind, text, sentAt, followUpId } = turn
  return { id, author, kind, text, sentAt: sentAt.toISOString(), ...(followUpId !== undefined && { followUpId }) }
}

/** The first language of `Accept-Language`, if it is one. */
function localeOf(header: string | undefined): string | undefined {
  return /^\s*([a-z]{2,3}(?:-[a-z0-9]{2,8})*)\s*(?:[,;]|$)/i.exec(header ?? '')?.[1]
}

/** Sends what is there, then whatever comes and what is being written, until the page or the server goes. */
async function sendTurns(request: {
  stream: SSEStreamingApi
  userId: string
  after: number
  webChat: WebChat
  clock: Clock
  closing: AbortSignal
}): Promise<void> {
  const { stream, userId, webChat, clock, closing } = request
  let { after } = request
  let drawn: string | undefined
  let wake = new AbortController()
  const unsubscribe = webChat.subscribe(userId, () => wake.abort())
  const end = () => wake.abort()
  closing.addEventListener('abort', end)
  stream.onAbort(end)
  try {
    while (!stream.aborted && !closing.aborted) {
      wake = new AbortController()
      // Read before the turns: once a draft is gone, the turn that took its place is found.
      const draft = webChat.draftOf(userId)
      const turns = await webChat.turnsAfter(userId, after)
      for (const turn of turns) {
        await stream.writeSSE({ id: String(turn.turnId), event: 'turn', data: JSON.stringify(shown(turn)) })
        after = turn.turnId
        if (turn.author === 'bot' && turn.kind === 'chat') drawn = undefined
      }
      // After a full batch there may be more.
      if (turns.length > 0) continue
      if (draft === drawn) await stream.write(': here\n\n')
      else {
        await stream.writeSSE({ event: 'draft', data: JSON.stringify({ text: draft ?? '' }) })
        drawn = draft
        await sleep(clock, DRAFT_INTERVAL_MS, closing)
        continue
      }
      await sleep(clock, HEARTBEAT_MS, wake.signal)
    }
  } finally {
    unsubscribe()
    closing.removeEventListener('abort', end)
  }
}
