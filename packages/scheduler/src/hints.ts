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

  /** LISTEN works. */
  arrive(): void {
    if (this.#heard) return
    this.#heard = true
    this.#events.emit('hints:heard', {})
  }

  /** LISTEN failed, or is accepted and hears nothing. */
  fail(error: unknown): void {
    if (!this.#heard) return
    this.#heard = false
    this.#events.emit('hints:unheard', { error, pollIntervalMs: this.#pollIntervalMs })
  }
}
