import type { Duration } from '../runtime/duration.ts'

/** When a job runs: at an instant, or after a span. Neither: as soon as possible. Both do not compile. */
export type WhenOptions = { scheduledTime?: Date; delay?: never } | { scheduledTime?: never; delay?: Duration }

/** Until when an attempt may start: an instant, or a span after the job is first due. Default: the definition's, else ever. */
export type ExpiryOptions = { expiresAt?: Date; expireAfter?: never } | { expiresAt?: never; expireAfter?: Duration }

/** What a second job with the key of an unfinished one means. */
export type UniqueOptions =
  | { uniqueKey?: never; onConflict?: never; maxWait?: never }
  | {
      /** At most one unfinished job of a type has it. */
      uniqueKey: string
      /** `keep` (default): the job that is there stays as it is. */
      onConflict?: 'keep'
      maxWait?: never
    }
  | {
      uniqueKey: string
      /** `replace`: if that job is still pending it takes over the new payload and time; a running one stays. */
      onConflict: 'replace'
      /** Longest time replacing may put the job off, counted from when it was first scheduled. */
      maxWait?: Duration
    }

/** Options of one job, wherever it is scheduled. */
export type JobOptions = WhenOptions &
  ExpiryOptions &
  UniqueOptions & {
    /** An id of your own, 1 to 255 characters. Default: a UUID version 7. */
    jobId?: string
    /** Retries after the first failed attempt. Default: the definition's, else 3. */
    maxRetries?: number
    /** Longest run of one attempt. Default: the definition's, else 15 minutes. */
    timeout?: Duration
    /** Where it stands among due jobs of its type: from -100 (last) to 100 (first), each point as good as 10 s of waiting. */
    priority?: number
    /**
     * Jobs of a type with the same key share the limits of `limits.perKey`, over all processes: a person, a guild, an
     * account. 1 to 150 characters.
     */
    concurrencyKey?: string
    /** What its start counts against a rate of its type or key. Default 1. */
    weight?: number
    /** What it reserves of a budget of its type or key when it starts. Default: the definition's, else 1. */
    cost?: number
    /** What the job is about, such as `user:42`: all jobs of a subject can be listed, cancelled, postponed or erased. */
    subjects?: readonly string[]
    /** Words to find it by. */
    tags?: readonly string[]
    /** Plain text kept with the job, at most 4 KiB as JSON. */
    metadata?: Readonly<Record<string, string>>
  }
