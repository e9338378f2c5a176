import { createHash } from 'node:crypto'
import { Refusal } from './refusals.ts'

export interface Limit {
  readonly limit: number
  readonly windowMs: number
}

interface Window {
  count: number
  endsAt: number
}

/** Discord's documented ceiling for a bot: requests a second over all routes. Interaction endpoints are outside it. */
const GLOBAL: Limit = { limit: 50, windowMs: 1_000 }
/** Nothing is documented per route; a number few clients reach by accident. */
const ROUTE: Limit = { limit: 1_000, windowMs: 1_000 }

/** Counts requests per route and top-level resource, and over all; answers the headers or throws a 429. */
export class RateLimits {
  /** Settable by route name, e.g. `POST /channels/:channel/messages`. */
  readonly ofRoute = new Map<string, Limit>()
  global: Limit = GLOBAL
  readonly #windows = new Map<string, Window>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** @throws Refusal 429 with the documented headers and body */
  take(request: { route: string; resource: string; outsideGlobal: boolean }): Record<string, string> {
    if (!request.outsideGlobal) {
      const whole = this.#count('global', this.global)
      if (whole.count > this.global.limit) throw tooMany(whole.endsAt - this.#now(), { scope: 'global' })
    }
    const limit = this.ofRoute.get(request.route) ?? ROUTE
    const key = `${request.route} ${request.resource}`
    const window = this.#count(key, limit)
    const leftMs = window.endsAt - this.#now()
    const headers = {
      'x-ratelimit-limit': String(limit.limit),
      'x-ratelimit-remaining': String(Math.max(0, limit.limit - window.count)),
      'x-ratelimit-reset': String(window.endsAt / 1_000),
      'x-ratelimit-reset-after': String(leftMs / 1_000),
      'x-ratelimit-bucket': createHash('sha256').update(request.route).digest('hex').slice(0, 32),
    }
    if (window.count > limit.limit) throw tooMany(leftMs, { scope: 'user', headers })
    return headers
  }

  #count(key: string, { windowMs }: Limit): Window {
    const now = this.#now()
    const known = this.#windows.get(key)
    const window = known && known.endsAt > now ? known : { count: 0, endsAt: now + windowMs }
    window.count += 1
    this.#windows.set(key, window)
    return window
  }
}

/** 429 as Discord says it. `shared`: the resource itself is busy, and it is not counted against the bot. */
export function tooMany(
  retryAfterMs: number,
  { scope, headers = {} }: { scope: 'user' | 'shared' | 'global'; headers?: Record<string, string> },
): Refusal {
  const seconds = Math.max(1, Math.ceil(retryAfterMs)) / 1_000
  return new Refusal(
    429,
    { message: 'You are being rate limited.', retry_after: seconds, global: scope === 'global' },
    {
      ...headers,
      'retry-after': String(Math.ceil(seconds)),
      'x-ratelimit-scope': scope,
      ...(scope === 'global' && { 'x-ratelimit-global': 'true' }),
    },
  )
}
