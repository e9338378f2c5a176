import { BelfryError, type BelfryErrorCode } from '../errors.ts'
import { SnoozeError } from '../job/control-errors.ts'
import type { Timer } from '../runtime/clock.ts'
import { WorkerThread, type ThreadOptions, type ThreadTask } from './worker-thread.ts'

export interface PoolOptions extends ThreadOptions {
  /** Threads at the same time. */
  readonly maxWorkers: number
  /** How long a thread without work is kept, in ms. */
  readonly idleMs: number
}

interface Waiting {
  readonly give: (thread: WorkerThread) => void
  readonly refuse: (reason: unknown) => void
}

/** The threads of one isolated handler: at most `maxWorkers`, started when needed, kept for a while, then ended. */
export class WorkerPool {
  readonly #options: PoolOptions
  /** Every thread that has not gone yet. */
  readonly #threads = new Set<WorkerThread>()
  readonly #idle = new Map<WorkerThread, Timer>()
  readonly #waiting = new Set<Waiting>()
  #closed = false

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /** Threads that exist, at work or idle. */
  get size(): number {
    return this.#threads.size
  }

  /** Runs one job in a thread of its own, after waiting for one if all are at work. */
  async run(task: ThreadTask): Promise<unknown> {
    const thread = await this.#take(task.context.signal)
    try {
      return await thread.run(task)
    } finally {
      this.#giveBack(thread)
    }
  }

  /** Ends idle threads now and the others after their job; resolves when all have gone. No job is taken after it. */
  async close(): Promise<void> {
    this.#closed = true
    for (const waiting of this.#waiting) waiting.refuse(closed())
    await Promise.all([...this.#idle.keys()].map(thread => this.#end(thread)))
    await Promise.all([...this.#threads].map(thread => thread.gone))
  }

  async #take(signal: AbortSignal): Promise<WorkerThread> {
    signal.throwIfAborted()
    if (this.#closed) throw closed()
    const idle = this.#takeIdle()
    if (idle) return idle
    if (this.#threads.size < this.#options.maxWorkers) return this.#start()
    return this.#wait(signal)
  }

  #takeIdle(): WorkerThread | undefined {
    for (const [thread, timer] of this.#idle) {
      timer.cancel()
      this.#idle.delete(thread)
      if (thread.usable) return thread
    }
    return undefined
  }

  #start(): WorkerThread {
    try {
      const thread = new WorkerThread(this.#options, gone => this.#forget(gone))
      this.#threads.add(thread)
      return thread
    } catch (cause) {
      throw new BelfryError('BELFRY_WORKER_CRASHED', 'a worker thread for an isolated handler could not be started', {
        cause,
      })
    }
  }

  async #wait(signal: AbortSignal): Promise<WorkerThread> {
    let waiting: Waiting | undefined
    let abort = () => {}
    try {
      return await new Promise((give, refuse) => {
        waiting = { give, refuse }
        this.#waiting.add(waiting)
        abort = () => refuse(signal.reason)
        signal.addEventListener('abort', abort, { once: true })
      })
    } finally {
      if (waiting) this.#waiting.delete(waiting)
      signal.removeEventListener('abort', abort)
    }
  }

  #giveBack(thread: WorkerThread): void {
    if (!thread.usable) return
    const [next] = this.#waiting
    if (next) {
      this.#waiting.delete(next)
      return next.give(thread)
    }
    if (this.#closed) return void this.#end(thread)
    this.#idle.set(
      thread,
      this.#options.timers.setTimer(this.#options.idleMs, () => void this.#end(thread)),
    )
  }

  #end(thread: WorkerThread): Promise<void> {
    this.#idle.get(thread)?.cancel()
    this.#idle.delete(thread)
    return thread.end()
  }

  /** A thread has gone: whoever waits for one gets a new one in its place. */
  #forget(thread: WorkerThread): void {
    this.#threads.delete(thread)
    this.#idle.get(thread)?.cancel()
    this.#idle.delete(thread)
    const [next] = this.#waiting
    if (!next || this.#closed) return
    this.#waiting.delete(next)
    try {
      next.give(this.#start())
    } catch (error) {
      next.refuse(error)
    }
  }
}

/**
 * Its jobs come to life in another process, or in this one after its restart. Put off, since a job that is given back at
 * once would be claimed here again and again for as long as the scheduler runs.
 */
const PUT_OFF_MS = 60_000

function closed(): SnoozeError {
  const error = new SnoozeError(PUT_OFF_MS, 'this isolated handler was closed; make a new one to run jobs again')
  return Object.assign(error, { code: 'BELFRY_SHUTDOWN' satisfies BelfryErrorCode })
}
