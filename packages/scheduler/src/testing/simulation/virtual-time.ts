import type { Clock, Timer } from '../../runtime/clock.ts'

/** What a timer belongs to: the scheduler's own, or a handler's work. */
export type TimerPurpose = 'scheduler' | 'handler'

export interface VirtualTimer {
  readonly owner: string
  readonly purpose: TimerPurpose
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** The one true time of a simulated world, and the timers of all its processes. It stands still until it is moved. */
export class VirtualTime {
  #now: number
  readonly #start: number
  #order = 0
  readonly #timers = new Set<VirtualTimer>()
  readonly #onChange: () => void

  /** @param onChange called whenever a timer is set or taken away */
  constructor(start: Date, onChange: () => void) {
    this.#now = start.getTime()
    this.#start = this.#now
    this.#onChange = onChange
  }

  /** Milliseconds since 1970. */
  get now(): number {
    return this.#now
  }

  /** Milliseconds since the world began. */
  get elapsed(): number {
    return this.#now - this.#start
  }

  setTimer(timer: Pick<VirtualTimer, 'owner' | 'purpose' | 'run'>, delayMs: number): Timer {
    this.#order += 1
    const set = { ...timer, at: this.#now + Math.max(0, delayMs), order: this.#order }
    this.#timers.add(set)
    this.#onChange()
    return {
      cancel: () => {
        if (this.#timers.delete(set)) this.#onChange()
      },
    }
  }

  /** The timer that is due first among those of the owners that may run. */
  next(mayRun: (owner: string) => boolean): VirtualTimer | undefined {
    let first: VirtualTimer | undefined
    for (const timer of this.#timers) {
      if (!mayRun(timer.owner)) continue
      if (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) first = timer
    }
    return first
  }

  /** Moves time to a timer's instant, if it is still to come, and runs it. */
  fire(timer: VirtualTimer): void {
    this.#timers.delete(timer)
    this.#now = Math.max(this.#now, timer.at)
    timer.run()
  }

  pass(ms: number): void {
    this.#now += ms
  }

  countOf(owner: string, purpose: TimerPurpose): number {
    return [...this.#timers].filter(timer => timer.owner === owner && timer.purpose === purpose).length
  }

  cancelAll(owner: string): void {
    for (const timer of this.#timers) if (timer.owner === owner) this.#timers.delete(timer)
  }
}

/** One process's clock: its wall time may be wrong, its monotonic time counts from its own start. */
export class ProcessClock implements Clock {
  /** How far its wall time is ahead of the truth, in ms. */
  skewMs = 0
  readonly #time: VirtualTime
  readonly #owner: string
  readonly #born: number

  constructor(time: VirtualTime, owner: string) {
    this.#time = time
    this.#owner = owner
    this.#born = time.now
  }

  now(): Date {
    return new Date(this.#time.now + this.skewMs)
  }

  /** Null, as in production: the statements run as they do there, over a database whose own `now()` is virtual. */
  databaseNow(): null {
    return null
  }

  monotonic(): number {
    return this.#time.now - this.#born
  }

  setTimer(delayMs: number, run: () => void): Timer {
    return this.#time.setTimer({ owner: this.#owner, purpose: 'scheduler', run }, delayMs)
  }

  /** Resolves after some of the time a handler works; earlier when the signal given aborts. */
  work(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      if (signal?.aborted) return resolve()
      const end = () => {
        timer.cancel()
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const timer = this.#time.setTimer({ owner: this.#owner, purpose: 'handler', run: end }, ms)
      signal?.addEventListener('abort', end, { once: true })
    })
  }
}
