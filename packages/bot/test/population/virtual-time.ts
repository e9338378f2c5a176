import type { Clock, Timer } from 'belfry'

interface SetTimer {
  readonly owner: string
  readonly at: number
  readonly run: () => void
}

/** The one true time of a world, and everybody's timers. It stands still until it is moved. */
export class VirtualTime {
  #now: number
  readonly #timers = new Set<SetTimer>()
  /** Grows whenever something is set or taken away: a sign of life. */
  stirred = 0

  constructor(start: Date) {
    this.#now = start.getTime()
  }

  /** Milliseconds since 1970. */
  get now(): number {
    return this.#now
  }

  setTimer(owner: string, delayMs: number, run: () => void): Timer {
    const timer = { owner, at: Math.ceil(this.#now + Math.max(0, delayMs)), run }
    this.#timers.add(timer)
    this.stirred += 1
    return { cancel: () => void this.#timers.delete(timer) }
  }

  /** When the next timer is due; of several, the one that was set first. */
  get next(): SetTimer | undefined {
    let first: SetTimer | undefined
    for (const timer of this.#timers) if (!first || timer.at < first.at) first = timer
    return first
  }

  fire(timer: SetTimer): void {
    this.#timers.delete(timer)
    this.moveTo(timer.at)
    this.stirred += 1
    timer.run()
  }

  /** Never back. */
  moveTo(instant: number): void {
    this.#now = Math.max(this.#now, instant)
  }

  cancelAll(owner: string): void {
    for (const timer of this.#timers) if (timer.owner === owner) this.#timers.delete(timer)
  }

  /** Resolves after a span of virtual time; never, once its owner is dead. */
  wait(owner: string, ms: number): Promise<void> {
    return new Promise(resolve => {
      this.setTimer(owner, ms, resolve)
    })
  }
}

/** One process's clock. Its wall time may be wrong; what its statements take for now is the one true time. */
export class ProcessClock implements Clock {
  /** How far its wall time is ahead, in ms. */
  skewMs = 0
  readonly #time: VirtualTime
  readonly #owner: string

  constructor(time: VirtualTime, owner: string) {
    this.#time = time
    this.#owner = owner
  }

  now(): Date {
    return new Date(this.#time.now + this.skewMs)
  }

  databaseNow(): Date {
    return new Date(this.#time.now)
  }

  monotonic(): number {
    return this.#time.now
  }

  setTimer(delayMs: number, run: () => void): Timer {
    return this.#time.setTimer(this.#owner, delayMs, run)
  }
}
