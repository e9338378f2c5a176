import type { Core } from '../core.ts'
import { describeDatabaseError } from '../database/database-error.ts'
import type { Unlisten } from '../database/database.ts'
import { BelfryError, show } from '../errors.ts'
import type { Timer } from '../runtime/clock.ts'
import { parseDuration, type Duration } from '../runtime/duration.ts'
import { watchJobs } from '../store/watch-jobs.ts'

/** How long to wait for a job. */
export interface WaitForOptions {
  /** Longest wait. Default: as long as it takes. */
  readonly timeout?: Duration
  /** Ends the wait; the job goes on. */
  readonly signal?: AbortSignal
}

/** Pause between looks where no hint can be heard. */
const DEAF_PAUSE_MS = 1_000
/** Pause before LISTEN is tried again where it failed: a try costs a connection and may take seconds. */
const RELISTEN_MS = 30_000
/** A job that could not be marked (somebody has its row at this moment) is looked at again after this. */
const UNMARKED_PAUSE_MS = 50

interface Waiter {
  readonly jobId: string
  resolve(): void
  reject(error: unknown): void
}

/**
 * Callers of this process that wait for jobs to end, wherever those run. All of them share one statement: at a hint, be
 * it from this process or by NOTIFY, and else at the poll interval. A process that only schedules listens for hints while
 * somebody waits, on a connection of its own.
 */
export class Waiters {
  readonly #core: Core
  readonly #isHearing: () => boolean
  readonly #waiting = new Set<Waiter>()
  #looking = false
  #lookAgain = false
  #timer: Timer | undefined
  #attending: Promise<void> | undefined
  #onNobody: () => void = () => {}
  #hears = false
  #failedAt = Number.NEGATIVE_INFINITY
  #stopped = false

  /** @param isHearing whether this process's runner passes hints on */
  constructor(core: Core, isHearing: () => boolean) {
    this.#core = core
    this.#isHearing = isHearing
  }

  /**
   * Resolves when the job has ended.
   * @throws BelfryError `BELFRY_JOB_NOT_FOUND`, `BELFRY_WAIT_TIMEOUT`, `BELFRY_WAIT_ABORTED`, `BELFRY_SHUTDOWN`
   */
  wait(jobId: string, { timeout, signal }: WaitForOptions): Promise<void> {
    const timeoutMs = timeout === undefined ? undefined : parseDuration(timeout, 'timeout')
    if (this.#stopped) return Promise.reject(shutdown(jobId))
    if (signal?.aborted) return Promise.reject(aborted(jobId, signal))
    return new Promise<void>((resolve, reject) => {
      const end = () => {
        timer?.cancel()
        signal?.removeEventListener('abort', onAbort)
        this.#remove(waiter)
      }
      const fail = (error: unknown) => {
        end()
        reject(error)
      }
      const waiter: Waiter = {
        jobId,
        resolve: () => {
          end()
          resolve()
        },
        reject: fail,
      }
      const onAbort = () => signal && fail(aborted(jobId, signal))
      const timer =
        timeoutMs === undefined
          ? undefined
          : this.#core.clock.setTimer(timeoutMs, () => fail(timedOut(jobId, timeoutMs)))
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(waiter)
      if (!this.#isHearing()) this.#attending ??= this.#attend()
      this.look()
    })
  }

  /** Jobs may have ended: look now. */
  look(): void {
    if (this.#waiting.size === 0) return
    this.#lookAgain = true
    if (this.#looking) return
    this.#looking = true
    // Waits that begin in one go share the first look.
    queueMicrotask(() => void this.#run())
  }

  /** Nobody waits any more; resolves when the connection that was listened on is given back. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const waiter of this.#waiting) waiter.reject(shutdown(waiter.jobId))
    await this.#attending
  }

  async #run(): Promise<void> {
    let pauseMs = 0
    while (this.#lookAgain && this.#waiting.size > 0) {
      this.#lookAgain = false
      this.#timer?.cancel()
      pauseMs = await this.#look()
    }
    this.#looking = false
    if (this.#waiting.size > 0) this.#timer = this.#core.clock.setTimer(pauseMs, () => this.look())
  }

  /** Answers when to look again. */
  async #look(): Promise<number> {
    const { database, tables, options, events, hints } = this.#core
    const waiting = [...this.#waiting]
    const isHearing = hints.heard && (this.#hears || this.#isHearing())
    const pauseMs = isHearing ? options.pollIntervalMs : Math.min(DEAF_PAUSE_MS, options.pollIntervalMs)
    try {
      const watched = await watchJobs(database, tables, [...new Set(waiting.map(each => each.jobId))])
      const states = new Map(watched.map(row => [row.job_id, row.state]))
      for (const waiter of waiting) {
        const state = states.get(waiter.jobId)
        if (state === 'ended') waiter.resolve()
        else if (state === 'unknown') waiter.reject(notFound(waiter.jobId))
      }
      return watched.some(row => row.state === 'unmarked') ? Math.min(UNMARKED_PAUSE_MS, pauseMs) : pauseMs
    } catch (error) {
      events.emit('database:error', { during: 'wait for jobs', error: describeDatabaseError(error) })
      return Math.min(DEAF_PAUSE_MS, pauseMs)
    }
  }

  #remove(waiter: Waiter): void {
    if (!this.#waiting.delete(waiter) || this.#waiting.size > 0) return
    this.#timer?.cancel()
    this.#onNobody()
  }

  /** Listens while somebody waits, one connection at a time. */
  async #attend(): Promise<void> {
    while (this.#waiting.size > 0) {
      const unlisten = await this.#listen()
      if (this.#waiting.size > 0) await new Promise<void>(resolve => (this.#onNobody = resolve))
      this.#hears = false
      await unlisten?.().catch(() => {})
    }
    this.#attending = undefined
  }

  async #listen(): Promise<Unlisten | undefined> {
    const { database, tables, clock, hints } = this.#core
    if (clock.monotonic() - this.#failedAt < RELISTEN_MS) return undefined
    const hear = (payload: string) => {
      if (payload === 'ended' || payload === 'awaited') this.look()
    }
    const again = (failure?: unknown) => {
      hints.report(failure)
      this.look()
    }
    try {
      const unlisten = await database.listen(tables.channel, hear, again)
      this.#hears = true
      // What ended before is not told any more.
      again()
      return unlisten
    } catch (error) {
      this.#failedAt = clock.monotonic()
      hints.report(error)
      return undefined
    }
  }
}

function timedOut(jobId: string, timeoutMs: number): BelfryError {
  return new BelfryError(
    'BELFRY_WAIT_TIMEOUT',
    `job ${jobId} did not end within ${timeoutMs} ms; it goes on without you`,
  )
}

function aborted(jobId: string, signal: AbortSignal): BelfryError {
  const cause: unknown = signal.reason
  return new BelfryError('BELFRY_WAIT_ABORTED', `the wait for job ${jobId} was aborted; the job goes on`, { cause })
}

function shutdown(jobId: string): BelfryError {
  return new BelfryError('BELFRY_SHUTDOWN', `this scheduler was stopped while somebody waited for job ${jobId}`)
}

/** The error for a job that is not there. */
export function notFound(jobId: string): BelfryError {
  return new BelfryError('BELFRY_JOB_NOT_FOUND', `there is no job ${show(jobId)}, or retention removed it`)
}
