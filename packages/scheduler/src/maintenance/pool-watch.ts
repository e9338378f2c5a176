import type { Core } from '../core.ts'
import type { PoolState } from '../database/database.ts'
import type { Timer } from '../runtime/clock.ts'

/** A call that waits longer for a connection than this is told; a heartbeat that is due may not wait so long either. */
const LONG_MS = 5_000
const RENEWALS_PER_LEASE = 3
/** Looks within that time. */
const LOOKS = 5
/** While it lasts it is told once in this time. */
const REST_MS = 60_000

/** Tells when the program's own use of the pool leaves the scheduler's calls waiting: a full pool looks like a slow database. */
export class PoolWatch {
  readonly #core: Core
  readonly #longMs: number
  readonly #queue = new QueueWatch()
  #timer: Timer | undefined
  #toldAt = Number.NEGATIVE_INFINITY

  constructor(core: Core) {
    this.#core = core
    this.#longMs = Math.min(LONG_MS, core.options.leaseMs / RENEWALS_PER_LEASE)
  }

  /** Looks from now on, where a pool tells its state; under a virtual clock nothing is measured. */
  start(): void {
    const { database, clock } = this.#core
    if (database.poolState === undefined || clock.databaseNow() !== null) return
    this.#timer = clock.setTimer(this.#longMs / LOOKS, () => {
      this.#look()
      this.start()
    })
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #look(): void {
    const { database, clock, events } = this.#core
    const state = database.poolState?.()
    if (!state) return
    const now = clock.monotonic()
    const waitedMs = this.#queue.look(state, now)
    if (waitedMs < this.#longMs || now - this.#toldAt < REST_MS) return
    this.#toldAt = now
    events.emit('pool:exhausted', { size: state.size, waiting: state.waiting, waitedMs: Math.round(waitedMs) })
  }
}

/**
 * How long calls wait, from looks at a pool alone. It serves them in the order in which they came: whoever was last in the
 * queue has its connection when as many were handed out since as were waiting then.
 */
export class QueueWatch {
  #since: { at: number; waiting: number; handedOut: number } | undefined

  /** Answers how long, in ms, some call has been waiting at least; 0 when nobody waits. */
  look({ waiting, handedOut }: Pick<PoolState, 'waiting' | 'handedOut'>, now: number): number {
    const since = this.#since
    if (waiting === 0) this.#since = undefined
    else if (!since || handedOut - since.handedOut >= since.waiting) this.#since = { at: now, waiting, handedOut }
    return this.#since ? now - this.#since.at : 0
  }
}
