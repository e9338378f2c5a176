import type { Clock } from 'belfry'

/** A person types less than this; a script that does not is told to wait. */
const MOST = 20
const WINDOW_MS = 10_000
/** Above this many people the oldest records go: memory stays bounded whoever knocks. */
const MOST_PEOPLE = 10_000

/** How many messages each person has sent lately. */
export class RateLimit {
  readonly #clock: Clock
  readonly #sent = new Map<string, number[]>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Counts one; answers 0 when it is fine, else the milliseconds to wait. */
  take(userId: string): number {
    const now = this.#clock.monotonic()
    const recent = (this.#sent.get(userId) ?? []).filter(at => now - at < WINDOW_MS)
    const [oldest] = recent
    if (recent.length >= MOST && oldest !== undefined) return Math.ceil(oldest + WINDOW_MS - now)
    this.#sent.delete(userId)
    this.#sent.set(userId, [...recent, now])
    const [first] = this.#sent.keys()
    if (this.#sent.size > MOST_PEOPLE && first !== undefined) this.#sent.delete(first)
    return 0
  }
}
