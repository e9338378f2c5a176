import type { Clock } from 'belfry'

export interface CircuitBreakerOptions {
  /** Failures in a row that open it. Default 5. */
  readonly failures?: number
  /** How long it stays open before one call may try again, in milliseconds. Default 300,000 (5 minutes). */
  readonly openMs?: number
}

const FAILURES = 5
const OPEN_MS = 5 * 60_000

/** Keeps callers away from something that is down: after some failures in a row nobody asks; later one may try. */
export class CircuitBreaker {
  readonly #clock: Clock
  readonly #limit: number
  readonly #openMs: number
  #failures = 0
  /** By the clock's monotonic time; undefined while it is closed. */
  #openUntil: number | undefined
  #isProbing = false

  constructor(clock: Clock, options: CircuitBreakerOptions = {}) {
    this.#clock = clock
    this.#limit = options.failures ?? FAILURES
    this.#openMs = options.openMs ?? OPEN_MS
  }

  /** Whether a call may be made now. Each yes is followed by one of `succeeded`, `failed` or `leftUndecided`. */
  tryEnter(): boolean {
    if (this.#openUntil === undefined) return true
    if (this.#isProbing || this.#clock.monotonic() < this.#openUntil) return false
    this.#isProbing = true
    return true
  }

  succeeded(): void {
    this.#failures = 0
    this.#openUntil = undefined
    this.#isProbing = false
  }

  /** Answers true when this failure opened it, or kept it open for another while. */
  failed(): boolean {
    this.#failures += 1
    const opens = this.#failures >= this.#limit && (this.#openUntil === undefined || this.#isProbing)
    if (opens) this.#openUntil = this.#clock.monotonic() + this.#openMs
    this.#isProbing = false
    return opens
  }

  /** The call ended in a way that says nothing of the other side: given up, or a fault of the request itself. */
  leftUndecided(): void {
    this.#isProbing = false
  }

  /** Milliseconds until a call may try again; 0 when one may now. */
  get waitMs(): number {
    return this.#openUntil === undefined ? 0 : Math.max(0, this.#openUntil - this.#clock.monotonic())
  }
}
