import type { Clock, Timer } from '../runtime/clock.ts'

/** After its timeout a handler has this long to end before its slot goes to others. */
export const OVERRUN_GRACE_MS = 5_000

/** A call of a handler that still runs although its time is up. */
interface Overrun {
  /** Gives its slot away. */
  readonly give: () => void
  given: boolean
  /** Its grace is over. */
  ripe: boolean
  readonly timer: Timer
}

/**
 * Handlers that are deaf to their timeouts. The slot of each is given to other jobs after a grace, so that a few of them
 * do not stop a process; but no more than `most` run beside the slots, so that many do not fill its memory.
 */
export class Overruns {
  readonly #clock: Clock
  readonly #most: number
  readonly #running = new Map<object, Overrun>()
  #given = 0

  constructor(clock: Clock, most: number) {
    this.#clock = clock
    this.#most = most
  }

  /** Its outcome was settled and it runs on. */
  began(call: object, give: () => void): void {
    if (this.#running.has(call)) return
    const timer = this.#clock.setTimer(OVERRUN_GRACE_MS, () => {
      overrun.ripe = true
      this.#giveSome()
    })
    const overrun: Overrun = { give, given: false, ripe: false, timer }
    this.#running.set(call, overrun)
  }

  /** It ended after all. True: its slot was given away before. */
  ended(call: object): boolean {
    const overrun = this.#running.get(call)
    if (!overrun) return false
    this.#running.delete(call)
    overrun.timer.cancel()
    if (!overrun.given) return false
    this.#given -= 1
    this.#giveSome()
    return true
  }

  /** Nothing runs any more, or nobody cares. */
  stop(): void {
    for (const overrun of this.#running.values()) overrun.timer.cancel()
  }

  #giveSome(): void {
    for (const overrun of this.#running.values()) {
      if (this.#given >= this.#most) return
      if (overrun.given || !overrun.ripe) continue
      overrun.given = true
      this.#given += 1
      overrun.give()
    }
  }
}
