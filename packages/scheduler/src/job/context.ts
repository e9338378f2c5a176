import type { Duration } from '../runtime/duration.ts'
import type { Logger } from '../runtime/logger.ts'
import type { JobOptions } from './job-options.ts'
import type { Schema } from './standard-schema.ts'

/** What a handler is told beside its payload. */
export interface JobContext {
  readonly jobId: string
  readonly jobType: string
  /** 1 for the first attempt; counts every attempt, lost ones included. */
  readonly attempt: number
  readonly retryCount: number
  readonly maxRetries: number
  readonly scheduledTime: Date
  /** The due instant of the schedule that made this job. */
  readonly occurrence: Date | null
  /** Aborts on timeout, cancel, shutdown past its grace period, and a lost lease; `signal.reason` is a BelfryError. */
  readonly signal: AbortSignal
  /** Writes to the scheduler's log with the job's fields. */
  readonly logger: Logger
  /** Keeps a line with this attempt's history row (at most 100 lines of 1,000 characters). */
  readonly log: (line: string) => void
  /** Stores how far the job is (JSON, at most 8 KiB); read it with `getJob`. Resolves when it is stored. */
  readonly progress: (value: unknown) => Promise<void>
  /**
   * Says how much of its `cost` the attempt has used, for budgets (`limits.budget`); called again, amounts add up. What is
   * unused when the attempt ends goes back to others, what was used beyond the cost counts too. Never called: all was used.
   */
  readonly spend: (amount: number) => void
  /**
   * Resolves while the attempt is still wanted; rejects with the reason when its lease is lost or the job was cancelled.
   * For long work that never waits. The lease itself is renewed without it.
   */
  readonly heartbeat: () => Promise<void>
  /**
   * Runs `work` once for the job: its result is stored under the name, and a later attempt is answered that instead.
   * What it throws is not stored. Results are plain JSON of at most `maxPayloadBytes`, and come as read back from JSON.
   * Rejects with `BELFRY_DUPLICATE_STEP`, `BELFRY_STEP_RESULT`, `BELFRY_LEASE_LOST`, `BELFRY_ATTEMPT_ENDED`.
   */
  readonly step: <Result>(name: string, work: () => Result) => Promise<Awaited<Result>>
  /**
   * Goes on after a span, or at an instant, fixed when this is first reached. Until then no attempt runs: this one ends
   * as `snoozed`, spending no retry, and the handler is called anew when the time has come. Under a second it may wait in
   * place. Let what it throws pass.
   */
  readonly sleep: (name: string, wake: Duration | Date) => Promise<void>
  /**
   * Answers the payload of the next event of this name and key that the job has not had, or undefined after the timeout.
   * Until then no attempt runs, as with `sleep`.
   */
  readonly waitForEvent: <Payload = unknown>(name: string, options: WaitOptions) => Promise<Payload | undefined>
  /** A key of 25 characters for an effect on the world outside: the same in every attempt. Default step `effect`. */
  readonly effectKey: (step?: string) => string
  /** Stores that the effect of a key has happened, and what it answered (JSON). The first word counts. */
  readonly confirmEffect: (key: string, result?: unknown) => Promise<void>
  /** What was confirmed of a key, or undefined. */
  readonly confirmedEffect: (key: string) => Promise<ConfirmedEffect | undefined>
  /**
   * Sends something to the world outside, and answers what `send` answered, in this attempt or an earlier one. When an
   * earlier attempt began to send and nobody knows how that ended, `doubtful` is true.
   */
  readonly once: <Result>(name: string, send: (effect: EffectAttempt) => Result) => Promise<Awaited<Result>>
  /**
   * Schedules a job that exists if and only if this attempt completes: it is checked now, and stored in the transaction
   * that settles the attempt. Resolves with its id; on a taken unique key the job that is there stays, and that id is
   * nobody's. Rejects as `scheduleJob` does.
   */
  readonly schedule: <Input>(
    job: string | SchedulableJob<Input>,
    payload: Input,
    options?: JobOptions,
  ) => Promise<{ jobId: string }>
  /** The jobs this one has waited for, by name and id, with what they answered; at most the first 1,000. */
  readonly dependencies: () => Promise<readonly PastDependency[]>
  /**
   * One of them: by its name in the flow or in `dependsOn`, or by its id. Rejects with `BELFRY_JOB_NOT_FOUND` when there
   * is none.
   */
  readonly dependency: (name: string) => Promise<PastDependency>
  /** How many of them there were, and how they ended: what the completion of a batch wants to know. */
  readonly dependencyCounts: () => Promise<DependencyCounts>
}

/** A job that another one has waited for. */
export interface PastDependency {
  readonly name: string | null
  readonly jobId: string
  /** Null: the job is deleted or past its retention. */
  readonly jobType: string | null
  /** How it ended. Null: it was not waited for, since this job was redriven. */
  readonly status: 'completed' | 'failed' | 'cancelled' | null
  /** What its handler answered; undefined when it answered nothing, has not completed, or is past its retention. */
  readonly result: unknown
  /** Why it failed or was cancelled. */
  readonly error: string | null
}

/** How the jobs ended that another one has waited for. */
export interface DependencyCounts {
  readonly total: number
  readonly completed: number
  readonly failed: number
  /** Deleted ones among them. */
  readonly cancelled: number
}

/** A job definition, as far as scheduling it goes. */
export interface SchedulableJob<Input> {
  readonly type: string
  readonly payload: Schema<unknown, Input> | undefined
}

/** Options of a wait for an event. */
export interface WaitOptions {
  /** What the event is about; it was sent with the same one. Default: no key. */
  readonly key?: string
  /** How long to wait, counted from when the job first does. */
  readonly timeout: Duration
  /** The wait's own name, when a job waits for the same event more than once. Default: the event's name and key. */
  readonly step?: string
}

/** One try at an effect. */
export interface EffectAttempt {
  /** To hand to the other side: a nonce, an idempotency key. */
  readonly key: string
  /** An earlier attempt began this and died, or its send threw: it may have happened. Look, or rely on the key. */
  readonly doubtful: boolean
}

/** What a confirmed effect left behind. */
export interface ConfirmedEffect {
  readonly result: unknown
}
