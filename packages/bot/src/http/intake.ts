import type { HttpBindings } from '@hono/node-server'
import type { Clock, Logger } from 'belfry'
import type { Context } from 'hono'
import type { z } from 'zod'
import { RateLimit } from './rate-limit.ts'
import { fault, personOf } from './security.ts'
import type { WebAnswer } from './web-chat.ts'

/** Takes in what pages hand in: not too often, of the right shape. Messages and presses share one limit. */
export class Intake {
  readonly limit: RateLimit
  readonly #logger: Logger

  constructor({ clock, logger }: { clock: Clock; logger: Logger }) {
    this.limit = new RateLimit(clock)
    this.#logger = logger
  }

  /** Hands a body on, as that of the person behind the request; what comes of it arrives as a turn, or as an aside. */
  async take<Shape extends z.ZodType>(
    context: Context<{ Bindings: HttpBindings }>,
    shape: Shape,
    hand: (taken: z.infer<Shape>, userId: string) => Promise<WebAnswer>,
  ): Promise<Response> {
    const userId = personOf(context)
    const waitMs = this.limit.take(userId)
    if (waitMs > 0) {
      context.header('Retry-After', String(Math.ceil(waitMs / 1_000)))
      return context.json(fault('TOO_FAST', 'That was a lot at once. Give it a few seconds.'), 429)
    }
    const body: unknown = await context.req.json().catch(() => undefined)
    const taken = shape.safeParse(body)
    if (!taken.success) {
      const [issue] = taken.error.issues
      const what = `${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'not understood'}`
      return context.json(fault('BAD_MESSAGE', what), 400)
    }
    try {
      const answer = await hand(taken.data, userId)
      return context.json({ accepted: true, ...answer }, 202)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#logger.error({ event: 'web_message_failed', reason }, 'a message of the web chat could not be answered')
      return context.json(fault('FAILED', 'Something went wrong on my side. Try again in a moment.'), 503)
    }
  }
}
