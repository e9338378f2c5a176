import type { Queryable } from '../database/database.ts'
import type { AnyJobDefinition } from '../job/definition.ts'
import type { WindowOptions } from '../job/delivery.ts'
import type { JobOptions, WhenOptions } from '../job/job-options.ts'

export type { WhenOptions } from '../job/job-options.ts'

/** Options of one scheduling call. */
export type ScheduleOptions = JobOptions & {
  /** Your own open transaction: the job exists if and only if it commits. A `pg` client, a PGlite transaction, or `fromDrizzle`, `fromKysely`, `fromKnex`, `fromPrisma`, `fromPostgresJs`. */
  transaction?: Queryable | PgLikeClient
}

/** A `pg` client inside a transaction, as it is. */
export interface PgLikeClient {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
}

/** The answer of a scheduling call. */
export interface ScheduledJob {
  /** The new job, or on a conflict the unfinished one that holds the unique key. */
  readonly jobId: string
  /** The unique key was taken. */
  readonly conflict: boolean
}

/** One job of a bulk call. */
export type BulkJob = ScheduleOptions & {
  readonly job: string | AnyJobDefinition
  readonly payload?: unknown
  readonly transaction?: never
}

/** What may be changed of a pending job. */
export type JobChanges = WhenOptions &
  WindowOptions & {
    /** Checked against the job's definition, if this process knows it. */
    payload?: unknown
    /** As in a scheduling call. */
    priority?: number
    maxRetries?: number
  }
