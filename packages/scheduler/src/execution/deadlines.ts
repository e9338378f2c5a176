import type { Clock, Timer } from '../runtime/clock.ts'
import type { HeldJob } from './held-job.ts'

/** Watches the deadlines of running jobs with one timer, set for the earliest: most handlers end long before theirs. */
export class Deadlines {
  readonly #clock: Clock
  readonly #running: () => Iterable<HeldJob>
  readonly #onExpired: (held: HeldJob) => void
  #timer: Timer | undefined
  #armedFor = Number.POSITIVE_INFINITY

  constructor(clock: Clock, parts: { running: () => Iterable<HeldJob>; onExpired: (held: HeldJob) => void }) {
    this.#clock = clock
    this.#running = parts.running
    this.#onExpired = parts.onExpired
  }

  watch(held: HeldJob): void {
    if (held.deadline < this.#armedFor) this.#arm(held.deadline)
  }

  /** Nothing runs any more. */
  stop(): void {
    this.#timer?.cancel()
    this.#armedFor = Number.POSITIVE_INFINITY
  }

  #arm(deadline: number): void {
    this.#timer?.cancel()
    this.#armedFor = deadline
    this.#timer = this.#clock.setTimer(Math.ceil(deadline - this.#clock.monotonic()), () => this.#look())
  }

  #look(): void {
    this.#armedFor = Number.POSITIVE_INFINITY
    const now = this.#clock.monotonic()
    let earliest = Number.POSITIVE_INFINITY
    for (const held of this.#running()) {
      if (held.settled) continue
      if (held.deadline <= now) this.#onExpired(held)
      else earliest = Math.min(earliest, held.deadline)
    }
    if (earliest < this.#armedFor) this.#arm(earliest)
  }
}
