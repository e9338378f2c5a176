import { databaseNow, type Core } from '../core.ts'
import { endedWithin, sleep } from '../runtime/clock.ts'
import { settleFinished, type FinishedAttempt } from '../store/settle-finished.ts'
import { settlePending, type UnfinishedAttempt } from '../store/settle-pending.ts'

/** An attempt that is over, with what to do when the database has taken it in. */
export interface Settlement {
  readonly record: { over: FinishedAttempt } | { again: UnfinishedAttempt }
  /** Called once: true when the write was accepted, false when the lease had been lost. */
  readonly onSettled: (accepted: boolean) => void
}

/** Rows per statement: the knee of the measured curve lies at 250 to 500, larger batches gain little. */
const LARGEST_BATCH = 1_000
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 5_000

/**
 * Writes outcomes to the database: one flush at a time, each taking everything that ended since the last, never waiting
 * for a timer when idle. While the database is away outcomes wait here and are tried again; the fence decides whether
 * they still count when it comes back.
 */
export class Settler {
  readonly #core: Core
  #waiting: Settlement[] = []
  #flushing: Promise<void> | undefined
  #closed = false
  /** Ends the pause after a failed flush, so that a stop need not wait for it. */
  #pause = new AbortController()

  constructor(core: Core) {
    this.#core = core
  }

  /** Outcomes that are not in the database yet. */
  get backlog(): number {
    return this.#waiting.length
  }

  /** After a stop nothing is written any more: a deaf handler may end long after its pool was closed. */
  close(): void {
    this.#closed = true
  }

  open(): void {
    this.#closed = false
  }

  add(settlement: Settlement): void {
    if (this.#closed) return
    this.#waiting.push(settlement)
    this.#flushing ??= this.#flush().finally(() => (this.#flushing = undefined))
  }

  /** True when everything handed in so far is settled; false after `timeoutMs`: the database may be gone for good. */
  async drain(timeoutMs: number): Promise<boolean> {
    const drained = (async () => {
      while (this.#flushing) await this.#flushing
    })()
    await endedWithin(this.#core.clock, drained, timeoutMs)
    const isDrained = this.#flushing === undefined && this.#waiting.length === 0
    this.#pause.abort()
    this.#pause = new AbortController()
    return isDrained
  }

  async #flush(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, LARGEST_BATCH)
      try {
        await this.#write(batch)
        pauseMs = FIRST_PAUSE_MS
      } catch (error) {
        this.#core.events.emit('database:error', { during: 'settle', error })
        this.#waiting.unshift(...batch)
        const { signal } = this.#pause
        await sleep(this.#core.clock, pauseMs, signal)
        if (signal.aborted) return
        pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
      }
    }
  }

  /** Writes a batch; on a data error the rows are written one by one, so that a bad one cannot hold up its neighbours. */
  async #write(batch: readonly Settlement[]): Promise<void> {
    try {
      await this.#writeOnce(batch)
    } catch (error) {
      if (!isDataError(error)) throw error
      const [only] = batch
      if (batch.length > 1) {
        for (const settlement of batch) await this.#write([settlement])
      } else if (only) {
        await this.#writeOnce([withoutData(only, error)])
      }
    }
  }

  async #writeOnce(batch: readonly Settlement[]): Promise<void> {
    const { database, tables } = this.#core
    const now = databaseNow(this.#core)
    const over = batch.flatMap(({ record }) => ('over' in record ? [record.over] : []))
    const again = batch.flatMap(({ record }) => ('again' in record ? [record.again] : []))
    const accepted = new Set<string>()
    if (over.length > 0) {
      for (const id of await settleFinished(database, tables, { attempts: over, now })) accepted.add(id)
    }
    if (again.length > 0) {
      for (const id of await settlePending(database, tables, { attempts: again, now })) accepted.add(id)
    }
    for (const { record, onSettled } of batch) {
      onSettled(accepted.has('over' in record ? record.over.jobId : record.again.jobId))
    }
  }
}

/** SQLSTATE class 22: the database cannot store one of the values, however often it is asked. */
function isDataError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('22')
}

/** The same outcome without the value that could not be stored. */
function withoutData(settlement: Settlement, error: unknown): Settlement {
  const message = `the outcome's details could not be stored: ${error instanceof Error ? error.message : 'unknown'}`
  const plain = { errorMessage: message, errorStack: null, log: null }
  const { record, onSettled } = settlement
  return 'over' in record
    ? { record: { over: { ...record.over, ...plain, result: null } }, onSettled }
    : { record: { again: { ...record.again, ...plain } }, onSettled }
}
