import { availableParallelism } from 'node:os'
import { BelfryError, show } from '../errors.ts'
import type { JobContext } from '../job/context.ts'
import type { JobHandler } from '../job/definition.ts'
import { ISOLATED } from '../job/isolated-mark.ts'
import { requireWhole } from '../job/whole.ts'
import { backgroundTimers, type Clock } from '../runtime/clock.ts'
import { parseDuration, type Duration } from '../runtime/duration.ts'
import type { JobFacts } from './thread-messages.ts'
import { WorkerPool } from './worker-pool.ts'

/** What a function in a worker thread is told beside its payload. `signal` is a real AbortSignal of its thread. */
export type IsolatedContext = JobFacts & Pick<JobContext, 'signal' | 'log' | 'progress' | 'spend'>

/** Options of an isolated handler. */
export interface IsolatedOptions {
  /** The exported function to run. Default `default`. */
  export?: string
  /** Largest JavaScript heap of each thread, in MiB; Buffers are not counted. Default: what Node gives a thread. */
  memoryLimitMb?: number
  /** Threads at the same time; further jobs wait inside their own timeout. Default: one per CPU core. */
  maxWorkers?: number
  /** How long a job may take to end after its abort, before its thread is terminated. Default 500 ms. */
  grace?: Duration
  /** How long a thread without work is kept for the next job. Default 30 s. */
  idleTimeout?: Duration
  /** Where `grace` and `idleTimeout` are counted. Default: real time, by timers that do not keep the process alive. */
  clock?: Pick<Clock, 'setTimer'>
}

/** A handler that runs in worker threads. */
export type IsolatedHandler<Payload> = JobHandler<Payload> & {
  /**
   * Ends idle threads now, the others after their job; resolves when all have gone. It takes no job after that: one that
   * comes is put off by a minute without spending a retry.
   */
  close(): Promise<void>
}

/**
 * A handler whose work is done by a function of another module in a worker thread, so that computing does not stop this
 * process's event loop, and a computation that never ends is really ended by its timeout.
 *
 * The function is called as a handler is, `(payload, context)`; payload and result travel as structured clones. Errors
 * come back with name, message, stack and plain fields; `NonRetryableError`, `CancelError`, `SnoozeError` and
 * `RetryAfterError` act as they do here.
 * @param module where the function is exported: `new URL('./resize.js', import.meta.url)`
 * @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_DURATION`; jobs fail with `BELFRY_WORKER_MODULE`,
 *   `BELFRY_WORKER_CRASHED`, `BELFRY_WORKER_OUT_OF_MEMORY`
 */
export function isolated<Payload = unknown>(module: URL, options: IsolatedOptions = {}): IsolatedHandler<Payload> {
  if (!(module instanceof URL) || !['file:', 'data:'].includes(module.protocol)) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `isolated(module): expected a file's URL such as new URL('./resize.js', import.meta.url), got ${show(module)}`,
    )
  }
  const exportName = options.export ?? 'default'
  if (typeof exportName !== 'string' || exportName === '') {
    throw new BelfryError('BELFRY_INVALID_OPTION', `export: expected a function's name, got ${show(exportName)}`)
  }
  const pool = new WorkerPool({
    memoryLimitMb: requireWhole(options.memoryLimitMb, { name: 'memoryLimitMb', least: 1 }),
    maxWorkers: requireWhole(options.maxWorkers, { name: 'maxWorkers', least: 1 }) ?? availableParallelism(),
    // Half of the second that a stopping scheduler waits for handlers it has aborted.
    graceMs: parseDuration(options.grace ?? '500ms', 'grace'),
    idleMs: parseDuration(options.idleTimeout ?? '30s', 'idleTimeout'),
    // Idle threads and the rest of a grace time are no reason for a process to stay.
    timers: options.clock ?? backgroundTimers,
  })
  const handler = (payload: Payload, context: JobContext) =>
    pool.run({ module: module.href, exportName, payload, context })
  return Object.assign(handler, { close: () => pool.close(), [ISOLATED]: true })
}
