import type { Core } from '../core.ts'
import { sleep } from '../runtime/clock.ts'
import type { PruneCounts } from './prune.ts'

/** Pruning hourly keeps tables level; more often finds nothing. */
const INTERVAL_MS = 3_600_000
/** The first round waits: a start has better things to do. */
const FIRST_PAUSE_MS = 60_000
/** Rows changed after which an embedded database is vacuumed: PGlite has no autovacuum of its own. */
const VACUUM_AFTER_ROWS = 1_000

/** Keeps the tables small, in the background of a running scheduler. */
export class Maintainer {
  readonly #core: Core
  readonly #prune: (signal: AbortSignal) => Promise<PruneCounts>
  #stop = new AbortController()
  #loop: Promise<void> = Promise.resolve()
  #attempts = 0
  #unsubscribe: (() => void) | undefined

  constructor(core: Core, prune: (signal: AbortSignal) => Promise<PruneCounts>) {
    this.#core = core
    this.#prune = prune
  }

  start(): void {
    this.#stop = new AbortController()
    if (this.#core.database.kind === 'embedded') {
      this.#unsubscribe = this.#core.events.on('job:settled', () => (this.#attempts += 1))
    }
    this.#loop = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    this.#unsubscribe?.()
    await this.#loop
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = INTERVAL_MS) {
      await sleep(this.#core.clock, pauseMs, signal)
      if (signal.aborted) return
      try {
        const counts = await this.#prune(signal)
        await this.#vacuum(counts.completed + counts.failed + counts.cancelled + counts.history)
      } catch (error) {
        this.#core.events.emit('database:error', { during: 'maintenance', error })
      }
    }
  }

  async #vacuum(pruned: number): Promise<void> {
    const { database, tables } = this.#core
    if (database.kind !== 'embedded' || pruned + this.#attempts < VACUUM_AFTER_ROWS) return
    this.#attempts = 0
    for (const table of [tables.live, tables.finished, tables.attempts])
      await database.query(`vacuum (analyze) ${table}`)
  }
}
