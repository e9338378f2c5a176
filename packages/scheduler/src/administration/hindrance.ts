import type { JobStatus } from '../job/job.ts'

/** A process that runs jobs, as people find it. */
export interface RunnerName {
  readonly runnerId: string
  readonly host: string
  readonly processId: number
}

/** What stands between a job and its next run, by kind. */
export type HindranceKind =
  /** It is over. */
  | { readonly kind: 'finished'; readonly status: JobStatus; readonly error: string | null }
  /** It runs at this moment. */
  | { readonly kind: 'running'; readonly runner: RunnerName; readonly since: Date }
  /** It runs and was asked to stop, or it will be cancelled before its next attempt. */
  | { readonly kind: 'cancel_requested' }
  /** The process that ran it is gone. */
  | { readonly kind: 'runner_dead'; readonly runnerId: string | null }
  /** Its deadline has passed. */
  | { readonly kind: 'expired' }
  | { readonly kind: 'not_due' }
  /** It would start outside its delivery window. `opens`: when it is open next. */
  | { readonly kind: 'window'; readonly timeZone: string; readonly opens: Date }
  /** Its last attempt failed. */
  | { readonly kind: 'retry'; readonly error: string | null; readonly retriesLeft: number }
  | { readonly kind: 'snoozed'; readonly reason: string | null }
  /** No living process has a handler for its type. `runners`: those that live. */
  | { readonly kind: 'no_handler'; readonly runners: readonly RunnerName[] }
  /** It, its type, its key or one of its subjects is paused. */
  | { readonly kind: 'paused'; readonly target: string; readonly reason: string | null }
  /** As many jobs of its type or key run as may. */
  | { readonly kind: 'limit'; readonly limit: number; readonly jobs: readonly string[] }
  /** As many jobs of its type or key have started of late as may. */
  | { readonly kind: 'rate'; readonly limit: number; readonly perMs: number }
  /** It waits for other jobs, or for something to happen. `jobs`: those that are known. */
  | { readonly kind: 'dependency'; readonly jobs: readonly string[] }
  /** Strict order: these jobs of its key come before it, and the first of them does not run. */
  | { readonly kind: 'order'; readonly jobs: readonly string[] }
  /** Somebody changed its row, or what is stored of its type or key, into something that cannot be read. */
  | { readonly kind: 'unreadable' }
  /** Nothing: the next free slot takes it. */
  | { readonly kind: 'none' }

/** A hindrance with what people want to know of it. */
export type Hindrance = HindranceKind & {
  /** Until when it stands, if that is known. */
  readonly until: Date | null
  /** One sentence for people. */
  readonly sentence: string
  /** What will change it, or what would. */
  readonly change: string
}
