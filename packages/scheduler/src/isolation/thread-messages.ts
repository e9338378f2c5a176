import type { JobContext } from '../job/context.ts'

/** Plain values of an error's own fields (`status`, `code`, …): what a backoff function may want to look at. */
type PlainField = readonly [name: string, value: string | number | boolean | null]

/** Something that was thrown, as it travels between threads: a structured clone keeps neither class nor fields. */
export type SentThrown =
  | { readonly form: 'value'; readonly value: unknown }
  | {
      readonly form: 'error'
      /** The names of its classes, its own first, `Error` last. */
      readonly kinds: readonly string[]
      readonly name: string
      readonly message: string
      readonly stack: string | undefined
      readonly fields: readonly PlainField[]
      /** Of a SnoozeError or RetryAfterError. */
      readonly wake: unknown
      readonly cause: SentThrown | undefined
    }

/** An error on its way to a worker. */
export interface SentReason {
  readonly name: string
  readonly message: string
  readonly code: string | undefined
}

/** The facts of a job that a handler in a worker is told. */
export type JobFacts = Pick<
  JobContext,
  'jobId' | 'jobType' | 'attempt' | 'retryCount' | 'maxRetries' | 'scheduledTime' | 'occurrence'
>

/** What the host tells a worker. `run` counts the jobs a worker was given: late words of an earlier one are ignored. */
export type HostMessage =
  | {
      readonly kind: 'run'
      readonly run: number
      readonly module: string
      readonly exportName: string
      readonly payload: unknown
      readonly facts: JobFacts
    }
  | { readonly kind: 'abort'; readonly run: number; readonly reason: SentReason }
  | { readonly kind: 'stored'; readonly run: number; readonly id: number; readonly refused: SentReason | undefined }

/** What a worker tells the host. */
export type WorkerMessage =
  | { readonly kind: 'returned'; readonly run: number; readonly value: unknown }
  | { readonly kind: 'threw'; readonly run: number; readonly thrown: SentThrown }
  | { readonly kind: 'unusable'; readonly run: number; readonly found: string; readonly thrown?: SentThrown }
  | { readonly kind: 'log'; readonly run: number; readonly line: string }
  | { readonly kind: 'spend'; readonly run: number; readonly amount: number }
  | { readonly kind: 'progress'; readonly run: number; readonly id: number; readonly value: unknown }
