import type { AttemptOutcome } from '../../job/job.ts'

/** One thing that is known to have happened. `line` is where the journal tells of it. */
export type Fact = { readonly line: number } & FactBody

export type FactBody =
  /** A job with this name was asked for; whether it is stored is not known yet. */
  | { readonly kind: 'planned'; readonly name: string; readonly group: number; readonly dueAt: number }
  /** The call that asked for it was answered. */
  | { readonly kind: 'acknowledged'; readonly name: string; readonly jobId: string; readonly conflict: boolean }
  /** A group of jobs stood in one transaction, and this became of it. */
  | { readonly kind: 'group-ended'; readonly group: number; readonly how: 'committed' | 'rolled back' | 'unknown' }
  /** A job's time or payload may have been changed from here on. */
  | { readonly kind: 'touched'; readonly jobId: string }
  | { readonly kind: 'cancel-asked'; readonly jobId: string }
  /** The answer was: it was pending, and never starts. */
  | { readonly kind: 'cancelled'; readonly jobId: string }
  /** From here on it may come back, until the call is answered. */
  | { readonly kind: 'redrive-asked'; readonly jobId: string }
  | { readonly kind: 'redrive-answered'; readonly jobId: string }
  | {
      readonly kind: 'started'
      readonly jobId: string
      readonly name: string
      readonly attempt: number
      readonly process: string
      readonly at: number
    }
  | {
      readonly kind: 'handler-ended'
      readonly jobId: string
      readonly attempt: number
      readonly how: 'returned' | 'threw' | 'asked to be cancelled'
    }
  | {
      readonly kind: 'settled'
      readonly jobId: string
      readonly attempt: number
      readonly outcome: AttemptOutcome
      readonly willRetry: boolean
      readonly process: string
    }
  /** Found while it happened. */
  | { readonly kind: 'violation'; readonly invariant: Invariant; readonly detail: string }

export type FactOf<Kind extends FactBody['kind']> = Extract<Fact, { kind: Kind }>

/** What must hold in every world. */
export type Invariant =
  | 'an acknowledged job is never lost'
  | 'a transaction stores all or nothing'
  | 'an attempt starts once'
  | 'an attempt is settled once, by the holder of its lease'
  | 'a completed job did its work'
  | 'a finished job never comes back'
  | 'a cancelled pending job never starts'
  | 'nothing is cancelled unasked'
  | 'a job never starts early'
  | 'every attempt has one row of history'
  | 'retries and losses stay within their limits'
  | 'a unique key has one unfinished job'
  | 'an occurrence fires once'
  | 'no more run at once than allowed'
  | 'everything ends'
  | 'a stop leaves nothing behind'

/** A promise that was broken, and where in the journal. */
export interface Violation {
  readonly invariant: Invariant
  readonly detail: string
  /** Line of the journal, if one is to blame. */
  readonly line: number | undefined
}

/** A job's row, as the database has it. */
export interface JobRow {
  readonly job_id: string
  readonly job_type: string
  readonly status: string
  readonly attempt: number
  readonly retry_count: number
  readonly max_retries: number
  readonly lost_count: number
  readonly unique_key: string | null
  readonly name: string | null
  readonly schedule_id: string | null
  readonly occurrence: string | null
}

export interface HistoryRow {
  readonly job_id: string
  readonly attempt: number
  readonly status: string
}

/** The tables at one moment. */
export interface Snapshot {
  readonly jobs: readonly JobRow[]
  readonly history: readonly HistoryRow[]
}
