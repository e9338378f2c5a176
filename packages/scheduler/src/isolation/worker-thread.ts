import { Worker } from 'node:worker_threads'
import { BelfryError, show } from '../errors.ts'
import type { JobContext } from '../job/context.ts'
import type { Clock, Timer } from '../runtime/clock.ts'
import type { HostMessage, SentReason, WorkerMessage } from './thread-messages.ts'
import { describeReason, reviveThrown } from './thrown-errors.ts'
import { WORKER_PROGRAM } from './worker-program.ts'

/** One job for a worker. */
export interface ThreadTask {
  readonly module: string
  readonly exportName: string
  readonly payload: unknown
  readonly context: JobContext
}

export interface ThreadOptions {
  /** How long an aborted job may take to end by itself before its thread is terminated, in ms. */
  readonly graceMs: number
  readonly memoryLimitMb: number | undefined
  readonly timers: Pick<Clock, 'setTimer'>
}

interface Current {
  readonly run: number
  readonly task: ThreadTask
  readonly resolve: (value: unknown) => void
  readonly reject: (reason: unknown) => void
}

/** The host's side of one worker thread. It runs one job at a time and keeps the process alive only while it does. */
export class WorkerThread {
  readonly #worker: Worker
  readonly #options: ThreadOptions
  /** Resolves when the thread has ended. */
  readonly gone: Promise<void>
  #alive = true
  #runs = 0
  #current: Current | undefined
  /** What a job is told whose thread ends under it. */
  #fault: unknown
  #grace: Timer | undefined

  /** @throws Error of Node when it cannot start a thread */
  constructor(options: ThreadOptions, onGone: (thread: WorkerThread) => void) {
    this.#options = options
    const { memoryLimitMb } = options
    this.#worker = new Worker(WORKER_PROGRAM, {
      eval: true,
      ...(memoryLimitMb !== undefined && { resourceLimits: { maxOldGenerationSizeMb: memoryLimitMb } }),
    })
    this.#worker.unref()
    this.#worker.on('message', (message: unknown) => this.#hear(message))
    this.#worker.on('messageerror', error => this.#kill(crashed('sent what cannot be read', error)))
    this.#worker.on('error', error => (this.#fault ??= faultOf(error, memoryLimitMb)))
    this.gone = new Promise(resolve => {
      this.#worker.once('exit', code => {
        this.#alive = false
        const current = this.#finish()
        current?.reject(this.#fault ?? crashed(`called process.exit(${code})`))
        onGone(this)
        resolve()
      })
    })
  }

  /** False when the thread has ended or is about to: it takes no further job. */
  get usable(): boolean {
    return this.#alive && this.#fault === undefined
  }

  /**
   * Runs one job to its end: resolves with what the handler returned, rejects with what it threw. After an abort it ends
   * within the grace time, by itself or by force; never before the thread has let go of it.
   */
  run(task: ThreadTask): Promise<unknown> {
    const { context, module, exportName, payload } = task
    const { jobId, jobType, attempt, retryCount, maxRetries, scheduledTime, occurrence } = context
    const facts = { jobId, jobType, attempt, retryCount, maxRetries, scheduledTime, occurrence }
    this.#runs += 1
    const run = this.#runs
    return new Promise((resolve, reject) => {
      try {
        this.#send({ kind: 'run', run, module, exportName, payload, facts })
      } catch (cause) {
        const message = `payload of ${show(jobType)}: expected data a worker thread can be sent (no functions, no proxies)`
        return reject(new BelfryError('BELFRY_INVALID_PAYLOAD', message, { cause }))
      }
      this.#current = { run, task, resolve, reject }
      this.#worker.ref()
      context.signal.addEventListener('abort', this.#onAbort)
      if (context.signal.aborted) this.#onAbort()
    })
  }

  /** Ends the thread; resolves when it is gone. */
  async end(): Promise<void> {
    await this.#worker.terminate()
    await this.gone
  }

  readonly #onAbort = (): void => {
    if (!this.#current) return
    const { run, task } = this.#current
    const { reason } = task.context.signal
    this.#send({ kind: 'abort', run, reason: describeReason(reason) })
    this.#grace = this.#options.timers.setTimer(this.#options.graceMs, () => this.#kill(reason))
  }

  /** Nothing may be thrown here, whatever a thread says: an error in a listener ends the whole process. */
  #hear(message: unknown): void {
    const current = this.#current
    if (!current || !isSaidBy(current, message)) return
    try {
      this.#heed(current, message)
    } catch (error) {
      this.#refuse(error)
    }
  }

  #heed(current: Current, message: WorkerMessage): void {
    switch (message.kind) {
      case 'log':
        return current.task.context.log(message.line)
      case 'spend':
        return current.task.context.spend(message.amount)
      case 'progress':
        return void this.#storeProgress(current, message).catch(error => this.#refuse(error))
      case 'returned':
        return this.#finish()?.resolve(message.value)
      case 'threw': {
        // Before the job is let go of: what cannot be revived must still find it.
        const thrown = reviveThrown(message.thrown)
        return this.#finish()?.reject(thrown)
      }
      case 'unusable':
        // Node remembers a module that failed to load for as long as its thread lives: the next job gets a new one.
        return this.#kill(unusable(current.task, message))
    }
  }

  /** A message could not be heeded. That of an attempt whose time is up comes late; any other ends the job. */
  #refuse(error: unknown): void {
    if (error instanceof BelfryError && error.code === 'BELFRY_ATTEMPT_ENDED') return
    this.#kill(crashed(`sent what cannot be used: ${wordsOf(error)}`, error))
  }

  async #storeProgress({ run, task }: Current, asked: { id: number; value: unknown }): Promise<void> {
    let refused: SentReason | undefined
    try {
      await task.context.progress(asked.value)
    } catch (error) {
      refused = describeReason(error)
    }
    this.#send({ kind: 'stored', run, id: asked.id, refused })
  }

  #finish(): Current | undefined {
    const current = this.#current
    this.#current = undefined
    this.#grace?.cancel()
    current?.task.context.signal.removeEventListener('abort', this.#onAbort)
    this.#worker.unref()
    return current
  }

  /** Ends the thread by force; its job, if any, is told `fault` when it has gone. */
  #kill(fault: unknown): void {
    this.#fault ??= fault
    void this.#worker.terminate()
  }

  #send(message: HostMessage): void {
    this.#worker.postMessage(message, [])
  }
}

/** Any code in a thread can post messages, and late ones of an earlier job are ignored. */
function isSaidBy({ run }: Current, message: unknown): message is WorkerMessage {
  return typeof message === 'object' && message !== null && 'run' in message && message.run === run
}

function crashed(what: string, cause?: unknown): BelfryError {
  const message = `the worker thread of an isolated handler ${what}; its job has failed, the next one gets a new thread`
  return new BelfryError('BELFRY_WORKER_CRASHED', message, { cause })
}

function faultOf(error: unknown, memoryLimitMb: number | undefined): BelfryError {
  if (error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    const limit = memoryLimitMb === undefined ? "Node's default" : `memoryLimitMb: ${memoryLimitMb}`
    const message = `an isolated handler needed more memory than its worker thread may have (${limit}); raise it, or give it less at a time`
    return new BelfryError('BELFRY_WORKER_OUT_OF_MEMORY', message, { cause: error })
  }
  return crashed(`ended by an error nobody caught: ${wordsOf(error)}`, error)
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : show(error)
}

function unusable(task: ThreadTask, message: WorkerMessage & { kind: 'unusable' }): BelfryError {
  const cause = message.thrown && reviveThrown(message.thrown)
  const why = cause instanceof Error ? ` (${cause.message})` : ''
  return new BelfryError(
    'BELFRY_WORKER_MODULE',
    `isolated(${show(task.module)}): expected an exported function ${show(task.exportName)}, got ${message.found}${why}`,
    { cause },
  )
}
