import { BelfryError, show } from '../errors.ts'
import type { JobContext } from './context.ts'

/**
 * Wraps a piece of work: does something before, calls `next` once to go on inwards, does something after, and answers
 * with what `next` resolved to (or with something else, or without going on at all).
 */
export type Middleware<Call, Result> = (call: Call, next: () => Promise<Result>) => Promise<Result>

/** Plain text kept with a job for middleware, such as a trace's `traceparent`; never shown to handlers. */
export type JobMetadata = Readonly<Record<string, string>>

/** One attempt that is about to run. */
export interface ExecutionCall {
  readonly job: Pick<
    JobContext,
    'jobId' | 'jobType' | 'attempt' | 'retryCount' | 'maxRetries' | 'scheduledTime' | 'occurrence'
  > & {
    /** What scheduling middleware left with the job; `{}` when nothing. */
    readonly metadata: JobMetadata
  }
  /** Upcast and checked against the job's definition, as the handler gets it. */
  readonly payload: unknown
  /** The very context the handler gets. */
  readonly context: JobContext
}

/** Around one attempt: what it throws is what the attempt has thrown, what it returns is the job's result. */
export type ExecutionMiddleware = Middleware<ExecutionCall, unknown>

/** A job that is about to be stored; checked already, not to be changed but for its metadata. */
export interface JobToStore {
  readonly jobId: string
  readonly jobType: string
  readonly payload: unknown
  /** Null: as soon as possible, or after `delayMs`. */
  readonly scheduledTime: Date | null
  readonly delayMs: number
  /** Add to it here; an execution middleware finds it again. */
  readonly metadata: Record<string, string>
}

/** One scheduling call: all its jobs are stored or none is. */
export interface SchedulingCall {
  readonly jobs: readonly JobToStore[]
}

/** A job that was stored, in the order of the call: its id, or on a conflict the id of the job that was there. */
export interface StoredJob {
  readonly jobId: string
  readonly conflict: boolean
}

/** Around one scheduling call; to refuse its jobs, throw. */
export type SchedulingMiddleware = Middleware<SchedulingCall, readonly StoredJob[]>

/** A chain of middleware around `innermost`. */
export type Chain<Call, Result> = (call: Call, innermost: () => Promise<Result>) => Promise<Result>

/**
 * Chains middleware, the first outermost. With none, the chain is a plain call of `innermost`.
 * @throws BelfryError `BELFRY_INVALID_OPTION` for an entry that is no function; a chain rejects with
 *   `BELFRY_NEXT_CALLED_AGAIN` when a middleware calls `next` twice or after its own end
 */
export function compose<Call, Result>(middleware: readonly Middleware<Call, Result>[]): Chain<Call, Result> {
  const wrong = middleware.findIndex(each => typeof each !== 'function')
  if (wrong >= 0) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `middleware[${wrong}]: expected a function (call, next) => …, got ${show(middleware[wrong])}`,
    )
  }
  return middleware.reduceRight<Chain<Call, Result>>(
    (inner, each) => (call, innermost) => callOnce(each, call, () => inner(call, innermost)),
    (_call, innermost) => innermost(),
  )
}

async function callOnce<Call, Result>(
  middleware: Middleware<Call, Result>,
  call: Call,
  inner: () => Promise<Result>,
): Promise<Result> {
  let open = true
  const next = async (): Promise<Result> => {
    if (!open) {
      throw new BelfryError(
        'BELFRY_NEXT_CALLED_AGAIN',
        `middleware ${show(middleware.name || 'without a name')}: expected one call of next(), before its own end; got another`,
      )
    }
    open = false
    return inner()
  }
  try {
    return await middleware(call, next)
  } finally {
    open = false
  }
}
