import type { Clock } from 'belfry'

/** Discord bans an address for a while after this many refused requests within ten minutes [topics/rate-limits]. */
export const MOST_REFUSED = 10_000
const WINDOW_MS = 600_000
/** Counted by the minute: memory stays small however many there are. */
const STEP_MS = 60_000

/** Counts requests that Discord refuses in the way it bans for: 401, 403, and 429 unless the resource itself is busy. */
export class RefusedRequests {
  readonly #clock: Clock
  readonly #byStep = new Map<number, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Notes an answer, whatever it is. */
  note({ status, scope }: { status: number; scope: string | null }): void {
    const counts = status === 401 || status === 403 || (status === 429 && scope !== 'shared')
    if (!counts) return
    const step = this.#step()
    this.#byStep.set(step, (this.#byStep.get(step) ?? 0) + 1)
  }

  /** Within the last ten minutes. */
  get lately(): number {
    const first = this.#step() - WINDOW_MS / STEP_MS
    let sum = 0
    for (const [step, count] of this.#byStep) {
      if (step < first) this.#byStep.delete(step)
      else sum += count
    }
    return sum
  }

  #step(): number {
    return Math.floor(this.#clock.monotonic() / STEP_MS)
  }
}
