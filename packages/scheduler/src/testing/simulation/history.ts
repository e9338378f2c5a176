import type { AttemptOutcome } from '../../job/job.ts'

/** One thing that is known to have happened. `line` is where the journal tells of it. */
export type Fact = { readonly line: number } & FactBody

export type FactBody =
  /** A job with this name was asked for; whether it is stored is not known yet. */
  | {
      readonly kind: 'planned'
      readonly name: string
      readonly group: number
      readonly dueAt: number
      /** By its deadline, or with a job it comes after. */
      readonly mayBeCancelled: boolean
      readonly jobType: string
      /** The jobs it comes after: those that were there, and those of the same call, by name. */
      readonly after: readonly string[]
      readonly afterNamed: readonly string[]
      /** When it may start. */
      readonly opens: Opens
      readonly uniqueKey: string | null
      /** Whoever runs with the key now is to run once more. */
      readonly reruns: boolean
    }
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
      /** All that it carries. */
      readonly names: readonly string[]
      readonly attempt: number
      readonly process: string
      readonly at: number
      readonly jobType: string
      /** The statement that claimed it, if its type has limits. */
      readonly claim: Claim | undefined
    }
  /** Its handler was told to stop: by a timeout, a cancel, a stop, or for its lease. */
  | { readonly kind: 'aborted'; readonly jobId: string; readonly attempt: number }
  /** Somebody acts on all jobs of a type, from here on. */
  | { readonly kind: 'acted-on'; readonly jobType: string; readonly act: 'cancels' | 'postpones' }
  /** Every finished job of a type may come back, until the call is answered. */
  | { readonly kind: 'all-redrive-asked'; readonly jobType: string }
  | { readonly kind: 'all-redrive-answered'; readonly jobType: string }
  /** Whoever is asked whether the job is still relevant may say no from here on; and does, once the call was answered. */
  | { readonly kind: 'withdraw-asked'; readonly name: string }
  | { readonly kind: 'withdrawn'; readonly name: string }
  /** Whatever was withdrawn. */
  | { readonly kind: 'wanted-again' }
  /** It was asked in its claim whether it is still relevant, and is. */
  | { readonly kind: 'found-relevant'; readonly jobId: string }
  /** When the windows of a subject's jobs open nobody knows from here on. */
  | { readonly kind: 'zone-changed' }
  /** What its limits are from here on nobody knows. */
  | { readonly kind: 'limits-changed'; readonly jobType: string }
  /** The call that paused a type, one key of it, or a subject was answered. */
  | { readonly kind: 'paused'; readonly target: string }
  /** From here on it may go on. */
  | { readonly kind: 'resume-asked'; readonly target: string }
  | { readonly kind: 'resume-answered'; readonly target: string }
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
  /** A step of a job was answered, now or in an earlier attempt. */
  | {
      readonly kind: 'step-passed'
      readonly jobId: string
      readonly attempt: number
      readonly step: string
      /** JSON text. */
      readonly answer: string
    }
  /** An effect on the world outside is about to be made. */
  | { readonly kind: 'sending'; readonly jobId: string; readonly attempt: number; readonly doubtful: boolean }
  /** Found while it happened. */
  | { readonly kind: 'violation'; readonly invariant: Invariant; readonly detail: string }

/** When a job with a delivery window may start: in the first half of every span, in the second, or at any time. */
export type Opens = 'first half' | 'second half' | 'always'

/** How a job was claimed. */
export interface Claim {
  /** Where the journal stood. */
  readonly line: number
  /** When it was admitted by the limits of its type, and when by those of its key, by the database's clock. */
  readonly admittedAt: number
  readonly admittedByKeyAt: number
  readonly scheduledMs: number
  readonly key: string | null
  /** Whom it is about; null: nobody, or that cannot be told. */
  readonly subject: string | null
  readonly weight: number
}

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
  | 'a limit of concurrency is never exceeded'
  | 'a rate is never exceeded'
  | 'a strict key keeps its order'
  | 'what is paused starts nothing'
  | 'a job that is asked for while it runs runs once more'
  | 'a job starts after those it waits for'
  | 'a transactional job works when it completes, and only then'
  | 'a step is answered the same in every attempt'
  | 'who sends again is told so'
  | 'what is appended is run, once'
  | 'a job that is not wanted any more never starts'
  | 'a job starts while its delivery window is open'
  | 'what is kept is kept for its time'
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
  /** When it ended: milliseconds since 1970. */
  readonly ended_ms: number | null
  readonly unique_key: string | null
  /** What it carries: one name, or several. */
  readonly names: readonly string[]
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
  /** What transactional handlers have written. */
  readonly effects: readonly { readonly job_id: string; readonly attempt: number }[]
}

/** The whole story of a world: what was seen from outside, and the tables at its end. */
export interface Story {
  readonly facts: readonly Fact[]
  readonly end: Snapshot
  /** Losses after which a job is given up. */
  readonly maxLost: number
}

export type Check = (story: Story, report: (invariant: Invariant, detail: string, line?: number) => void) => void

export function of<Kind extends Fact['kind']>(facts: readonly Fact[], kind: Kind): FactOf<Kind>[] {
  return facts.filter((fact): fact is FactOf<Kind> => fact.kind === kind)
}

export function attemptOf({ jobId, attempt }: { jobId: string; attempt: number }): string {
  return `attempt ${attempt} of ${jobId}`
}
