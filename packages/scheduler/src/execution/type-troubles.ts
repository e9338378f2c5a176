import type { Core } from '../core.ts'
import { isRefusedAlone } from '../database/database-error.ts'

/** After a claim that failed a type is left alone for so long, doubling. */
const FIRST_REST_MS = 200
const LONGEST_REST_MS = 5_000

/**
 * Types whose claims fail although the database is there: something is spoiled that concerns them alone, and the others
 * must not suffer for it. It is told each time, by type and reason, and tried again later and later.
 */
export class TypeTroubles {
  readonly #core: Core
  readonly #rests = new Map<string, { readonly until: number; readonly restMs: number }>()

  constructor(core: Core) {
    this.#core = core
  }

  /** How long a type is left alone yet, in ms; 0: not (any more). */
  restOf(jobType: string): number {
    const rest = this.#rests.get(jobType)
    return rest ? Math.max(0, rest.until - this.#core.clock.monotonic()) : 0
  }

  /** Answers how long the type is left alone, in ms; throws the error if it is not the type's own. */
  note(jobType: string, error: unknown): number {
    if (!isRefusedAlone(error)) throw error
    const restMs = Math.min((this.#rests.get(jobType)?.restMs ?? FIRST_REST_MS / 2) * 2, LONGEST_REST_MS)
    this.#rests.set(jobType, { until: this.#core.clock.monotonic() + restMs, restMs })
    this.#core.events.emit('database:error', { during: `claim of ${jobType}`, error })
    return restMs
  }

  /** A claim of it went well. */
  over(jobType: string): void {
    this.#rests.delete(jobType)
  }
}
