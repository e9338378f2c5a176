import type { DiscordCode } from './refusals.ts'

/**
 * What goes wrong with a request.
 * - `code`: refused with one of Discord's codes, nothing done
 * - `status`: a bare HTTP failure, before or after the work was done
 * - `hang`: never answered, done (the default) or not
 * - `cut`: the connection is closed before or after the work was done
 * - `rate-limit`: 429
 */
export type Fault =
  | { readonly kind: 'code'; readonly code: DiscordCode }
  | { readonly kind: 'status'; readonly status: number; readonly when: 'before' | 'after' }
  | { readonly kind: 'hang'; readonly when?: 'before' | 'after' }
  | { readonly kind: 'cut'; readonly when: 'before' | 'after' }
  | { readonly kind: 'rate-limit'; readonly retryAfterMs: number; readonly scope: 'user' | 'shared' | 'global' }

interface Planned {
  readonly route: string
  readonly fault: Fault
  left: number
}

/** Faults to come, by route. */
export class Faults {
  #planned: Planned[] = []

  /** The next `times` requests of a route (`POST /channels/:channel/messages`) meet this fault, after those planned before. */
  add(route: string, fault: Fault, times = 1): void {
    this.#planned.push({ route, fault, left: times })
  }

  clear(): void {
    this.#planned = []
  }

  take(route: string): Fault | undefined {
    const planned = this.#planned.find(each => each.route === route)
    if (!planned) return undefined
    planned.left -= 1
    if (planned.left <= 0) this.#planned = this.#planned.filter(each => each !== planned)
    return planned.fault
  }
}
