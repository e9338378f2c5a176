import type { BackoffRule } from '../job/backoff.ts'
import type { Delivery } from '../job/delivery.ts'
import type { ParentLink } from './store-dependencies.ts'

/** A job about to be stored. Times are ISO text; what is left out is stored as null. */
export interface NewJob {
  readonly jobId: string
  readonly jobType: string
  /** JSON text. */
  readonly payload: string
  readonly payloadVersion: number
  /** ISO text, or null for `delayMs` from now by the database's clock. */
  readonly scheduledTime: string | null
  readonly delayMs: number
  readonly maxRetries: number
  readonly timeoutMs?: number | null
  /** Spans in milliseconds. */
  readonly backoff?: BackoffRule | null
  readonly maxLost?: number | null
  readonly uniqueKey?: string | null
  /** Milliseconds for which the key is taken from now on; kept in a table of its own. */
  readonly uniqueForMs?: number | null
  readonly scheduleId?: string | null
  readonly occurrence?: string | null
  readonly priority?: number
  readonly subjects?: readonly string[] | null
  readonly tags?: readonly string[] | null
  readonly metadata?: Readonly<Record<string, string>> | null
  /** ISO text; wins over `expireAfterMs`. */
  readonly expiresAt?: string | null
  /** Milliseconds after it is first due. */
  readonly expireAfterMs?: number | null
  readonly lane?: string | null
  /** What its start counts against a rate. Default 1. */
  readonly weight?: number | null
  /** What its start reserves of a budget. Default: what its definition says. */
  readonly cost?: number | null
  /** Somebody waits for its end. */
  readonly awaited?: boolean
  /** It waits for these: they are stored in the same transaction. */
  readonly dependencies?: readonly ParentLink[]
  readonly waits?: boolean
  /** Its name in its workflow. */
  readonly name?: string
  /** What it keeps of its delivery window. */
  readonly delivery?: Delivery | null
  /** Store it as claimed by the runner of the request. */
  readonly claim?: boolean
}

/** The runner that inserts due jobs it will run itself: they are stored as claimed, one statement instead of two. */
export interface InsertingRunner {
  readonly runnerId: string
  readonly leaseToken: string
}

/** Nothing but the columns that every job has. */
export function isPlain(job: NewJob): boolean {
  return (
    job.uniqueKey == null &&
    job.scheduleId == null &&
    job.timeoutMs == null &&
    !job.priority &&
    job.subjects == null &&
    job.tags == null &&
    job.metadata == null &&
    job.expiresAt == null &&
    job.expireAfterMs == null &&
    job.lane == null &&
    job.weight == null &&
    !job.awaited &&
    !job.waits &&
    job.name === undefined &&
    job.delivery == null &&
    job.cost == null &&
    job.backoff == null &&
    job.maxLost == null
  )
}
