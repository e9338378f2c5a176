import type { Duration } from '../runtime/duration.ts'
import type { JobContext } from './context.ts'

/** One job of a batch. */
export interface BatchJob<Payload> {
  readonly jobId: string
  /** Upcast and checked by itself: a job whose payload does not fit has failed and is not here. */
  readonly payload: Payload
  /** The job's own context: its signal, log, progress, steps, `schedule` … */
  readonly context: JobContext
}

/** The call of a batch handler as a whole. */
export interface BatchCall {
  readonly jobType: string
  /**
   * Aborts when none of the jobs is wanted any more: their time is up, the process is stopping, the lease was lost, or
   * each was cancelled. One job's end alone aborts only its own `context.signal`.
   */
  readonly signal: AbortSignal
}

/**
 * What became of a batch: nothing (all completed), one answer per job in order, or a `Map` by job id. An answer that is an
 * `Error` is what that job's attempt has thrown (`SnoozeError`, `CancelError` … too); anything else is its result.
 */
// oxlint-disable-next-line typescript/no-invalid-void-type -- a handler that answers nothing
export type BatchAnswer<Result = unknown> =
  | void
  | undefined
  | readonly (Result | Error)[]
  | ReadonlyMap<string, Result | Error>

/** Does the work of many jobs in one call. What it throws, every job of the call has thrown. */
export type BatchHandler<Payload, Result = unknown> = (
  jobs: readonly BatchJob<Payload>[],
  call: BatchCall,
) => BatchAnswer<Result> | Promise<BatchAnswer<Result>>

/** How jobs are gathered. */
export interface BatchOptions {
  /** Most jobs of one call, 1 to 1,000. Default 100. */
  size?: number
  /**
   * How long the first due job waits for others while the batch is not full, at most 10 s. Default: not at all; what
   * becomes due while a call runs gathers for the next one anyway.
   */
  wait?: Duration
}

/** A batch as a definition keeps it. */
export interface ResolvedBatch<Payload> {
  readonly size: number
  readonly waitMs: number
  readonly handler: BatchHandler<Payload> | undefined
}
