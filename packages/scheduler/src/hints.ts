import type { EventHub } from './events.ts'

/** Whether NOTIFY reaches this process. Whoever listens says so here; it is told when it changes, not at every try. */
export class Hints {
  readonly #events: EventHub
  readonly #pollIntervalMs: number
  #heard = true

  constructor(events: EventHub, pollIntervalMs: number) {
    this.#events = events
    this.#pollIntervalMs = pollIntervalMs
  }

  /** True until LISTEN has failed, and again once it works. */
  get heard(): boolean {
    return this.#heard
  }

  /** LISTEN works; with a failure: it does not, or is accepted and hears nothing. */
  report(failure?: unknown): void {
    const heard = failure === undefined
    if (heard === this.#heard) return
    this.#heard = heard
    if (heard) this.#events.emit('hints:heard', {})
    else this.#events.emit('hints:unheard', { error: failure, pollIntervalMs: this.#pollIntervalMs })
  }
}
