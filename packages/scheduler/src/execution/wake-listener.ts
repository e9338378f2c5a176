import type { Core } from '../core.ts'
import { BelfryError } from '../errors.ts'
import type { Timer } from '../runtime/clock.ts'
import { hearFreed } from '../flow/wake-freed.ts'
import { PARENTS_DELETED } from '../store/dependency-table.ts'
import { freedKeyIn } from '../store/freed-key.ts'
import type { HeldJobs } from './held-jobs.ts'

interface WakeTargets {
  readonly held: HeldJobs
  /** Due jobs may be waiting. */
  onDue(): void
  /** Limits were set. */
  onLimits(): void
  /** Jobs have ended that somebody waits for. `handled`: what was to be done has been done. */
  onEnded(handled: boolean): void
  /** Jobs are gone that others wait for. */
  onDeleted(): void
  /** Somebody watches events. */
  onWatched(): void
  /** Schedules changed. */
  onSchedules(): void
  /** Hints may have been missed. */
  onReconnect(): void
}

/** Pause before LISTEN is tried again where it could not be begun; polling works meanwhile. */
const RETRY_MS = 30_000

/** Hears the hints that other processes send with NOTIFY. Everything works without it, only later: by polling. */
export class WakeListener {
  readonly #core: Core
  readonly #targets: WakeTargets
  #unlisten: (() => Promise<void>) | undefined
  #retry: Timer | undefined
  #listening: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(core: Core, targets: WakeTargets) {
    this.#core = core
    this.#targets = targets
  }

  start(): Promise<void> {
    this.#stopped = false
    this.#listening = this.#listen()
    return this.#listening
  }

  async #listen(): Promise<void> {
    const { database, tables, clock, hints } = this.#core
    const hear = (payload: string) => this.#hear(payload)
    const again = (failure?: unknown) => {
      hints.report(failure)
      if (failure === undefined) this.#targets.onReconnect()
    }
    try {
      const unlisten = await database.listen(tables.channel, hear, again)
      if (this.#stopped) return await unlisten()
      this.#unlisten = unlisten
      if (!hints.heard) again()
    } catch (error) {
      if (this.#stopped) return
      hints.report(error)
      this.#retry = clock.setTimer(RETRY_MS, () => {
        this.#listening = this.#listen()
      })
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#retry?.cancel()
    // A try that is under way holds a connection.
    await this.#listening
    await this.#unlisten?.()
  }

  #hear(payload: string): void {
    const freed = freedKeyIn(payload)
    if (freed) {
      void hearFreed(this.#core, freed)
    } else if (payload.startsWith('cancel:')) {
      const jobId = payload.slice('cancel:'.length)
      this.#targets.held.abort(jobId, new BelfryError('BELFRY_JOB_CANCELLED', 'cancelled while running'))
    } else if (payload === 'schedules') {
      this.#targets.onSchedules()
    } else if (payload === 'limits') {
      this.#targets.onLimits()
    } else if (payload === 'ended' || payload === 'awaited') {
      this.#targets.onEnded(payload === 'ended')
    } else if (payload === PARENTS_DELETED) {
      this.#targets.onDeleted()
    } else if (payload === 'watch') {
      this.#targets.onWatched()
    } else {
      this.#targets.onDue()
    }
  }
}
