import type { Clock } from 'belfry'

/** Commands at once, and how soon there is one more. */
export const BURST = 5
export const REFILL_MS = 2_000
/** Above this many people those who asked longest ago are forgotten: memory stays bounded, whoever knocks. */
const MOST_PEOPLE = 10_000

/** How many commands somebody may still use at an instant. */
export interface Bucket {
  /** 0 to `BURST`; grows by one per `REFILL_MS`. */
  readonly tokens: number
  /** Milliseconds, monotonic. */
  readonly at: number
  /** They have been told to slow down since it was last full. */
  readonly isTold: boolean
}

/** `pass`: go on. `tell`: say once that it is too fast. `drop`: say nothing. */
export type Pace = 'pass' | 'tell' | 'drop'

/** Takes one command out of a bucket. @param bucket undefined: of somebody who was not seen lately */
export function takeOne(bucket: Bucket | undefined, now: number): { pace: Pace; bucket: Bucket } {
  const grown = bucket ? bucket.tokens + Math.max(0, now - bucket.at) / REFILL_MS : BURST
  const tokens = Math.min(BURST, grown)
  const isTold = tokens < BURST && (bucket?.isTold ?? false)
  if (tokens >= 1) return { pace: 'pass', bucket: { tokens: tokens - 1, at: now, isTold } }
  return { pace: isTold ? 'drop' : 'tell', bucket: { tokens, at: now, isTold: true } }
}

/** How fast people use commands; owners are people too. Words that stop follow-ups never come here. */
export class CommandPace {
  readonly #clock: Clock
  readonly #buckets = new Map<string, Bucket>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How many people are remembered. */
  get size(): number {
    return this.#buckets.size
  }

  take(userId: string): Pace {
    const { pace, bucket } = takeOne(this.#buckets.get(userId), this.#clock.monotonic())
    // Anew at the end: the first ones are those who asked longest ago.
    this.#buckets.delete(userId)
    this.#buckets.set(userId, bucket)
    const [first] = this.#buckets.keys()
    if (this.#buckets.size > MOST_PEOPLE && first !== undefined) this.#buckets.delete(first)
    return pace
  }
}

/** What somebody is told, once. */
export const TOO_FAST = `That was fast. One command per ${REFILL_MS / 1_000} seconds, please; I go on when you do.`

/** Saying no must always work, however often it is said. */
export function isNeverHeldUp(text: string, prefix: string): boolean {
  return /^followup[_\s]settings\s+(off|disable)\b/i.test(text.slice(prefix.length).trim())
}
