import type { Duration } from '../runtime/duration.ts'
import type { BackoffRule } from './backoff.ts'
import type { WindowOptions } from './delivery.ts'
import type { JobReference } from './job-reference.ts'
import type { UniqueOptions } from './unique-options.ts'

/** When a job runs: at an instant, or after a span. Neither: as soon as possible. Both do not compile. */
export type WhenOptions = { scheduledTime?: Date; delay?: never } | { scheduledTime?: never; delay?: Duration }

/** Until when an attempt may start: an instant, or a span after the job is first due. Default: the definition's, else ever. */
export type ExpiryOptions = { expiresAt?: Date; expireAfter?: never } | { expiresAt?: never; expireAfter?: Duration }

/**
 * What becomes of a job when one it waits for fails for good or is cancelled: `cancel` (it is cancelled too, with the reason),
 * `run` (it runs all the same, and can see what failed), `wait` (until that one was redriven and has completed).
 */
export type OnFailure = 'cancel' | 'run' | 'wait'

/** A job to wait for: its id, or the answer of the call that scheduled it. */
export type Dependency =
  | JobReference
  | {
      readonly job: JobReference
      /** Default `cancel`. */
      readonly onFailure?: OnFailure
      /** What the handler calls it: `context.dependency(name)`. 1 to 255 characters. Default: its id. */
      readonly name?: string
    }

/** What a job carries, be it scheduled by itself or by a schedule. */
export interface CarriedOptions {
  /** Longest run of one attempt. Default: the definition's, else 15 minutes. */
  timeout?: Duration
  /**
   * Jobs of a type with the same key share the limits of `limits.perKey`, over all processes: a person, a guild, an
   * account. 1 to 150 characters.
   */
  concurrencyKey?: string
  /** What its start counts against a rate of its type or key. Default 1. */
  weight?: number
  /** What it reserves of a budget of its type or key when it starts. Default: the definition's, else 1. */
  cost?: number
  /** What the job is about, such as `user:42`: all jobs of a subject can be listed, cancelled, postponed, paused or erased. */
  subjects?: readonly string[]
  /** Words to find it by. */
  tags?: readonly string[]
  /** Plain text kept with the job, at most 4 KiB as JSON. */
  metadata?: Readonly<Record<string, string>>
}

/** Options of one job, wherever it is scheduled. */
export type JobOptions = WhenOptions &
  ExpiryOptions &
  UniqueOptions &
  WindowOptions &
  CarriedOptions & {
    /** An id of your own, 1 to 255 characters. Default: a UUID version 7. */
    jobId?: string
    /** Retries after the first failed attempt. Default: the definition's, else 3. */
    maxRetries?: number
    /** Pause before each retry, instead of the definition's rule or function. */
    backoff?: BackoffRule
    /** Crashes of a process in mid-job before the job is given up as `lost`. Default: the definition's, else 3. */
    maxLost?: number
    /** Where it stands among due jobs of its type: from -100 (last) to 100 (first), each point as good as 10 s of waiting. */
    priority?: number
    /**
     * Jobs that end before this one starts, at most 1,000. It is due when the last of them has ended, or at its own time
     * if that is later.
     */
    dependsOn?: readonly Dependency[]
  }
