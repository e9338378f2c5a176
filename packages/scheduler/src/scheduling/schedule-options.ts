import type { Queryable } from '../database/database.ts'
import type { WindowOptions } from '../job/delivery.ts'
import type { JobOptions, WhenOptions } from '../job/job-options.ts'
import type { JobName, JobWithPayload, ResultOf } from '../job/job-with-payload.ts'

export type { WhenOptions } from '../job/job-options.ts'

/** Options of one scheduling call. */
export type ScheduleOptions = JobOptions & {
  /** Your own open transaction: the job exists if and only if it commits. A `pg` client, a PGlite transaction, or `fromDrizzle`, `fromKysely`, `fromKnex`, `fromPrisma`, `fromPostgresJs`. */
  transaction?: (Queryable | PgLikeClient) & NotAWholeDatabase
}

/** A pool, a `Database` and an embedded database commit each statement by itself: jobs would stay after a rollback. */
interface NotAWholeDatabase {
  readonly totalCount?: never
  readonly transaction?: never
}

/** A `pg` client inside a transaction, as it is. */
export interface PgLikeClient {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
}

/** Nothing at run time: how an answer carries the type of its job's result to `waitFor`. */
declare const RESULT: unique symbol

/** The answer of a scheduling call. `Result` is what the definition's handler answers. */
export interface ScheduledJob<Result = unknown> {
  readonly [RESULT]?: Result
  /** The new job, or on a conflict the unfinished one that holds the unique key. */
  readonly jobId: string
  /** The unique key was taken. */
  readonly conflict: boolean
}

/** One job of a bulk call. */
export type BulkJob<Job extends JobName = JobName> = JobWithPayload<Job> &
  JobOptions & {
    readonly transaction?: never
  }

/** The jobs of a bulk call. */
export type BulkJobs<Jobs extends readonly JobName[]> = readonly [
  ...{ readonly [Place in keyof Jobs]: BulkJob<Jobs[Place]> },
]

/** The answers of a bulk call, in the order of its jobs. */
export type ScheduledJobs<Jobs extends readonly JobName[]> = {
  readonly [Place in keyof Jobs]: ScheduledJob<ResultOf<Jobs[Place]>>
}

/** What may be changed of a pending job. */
export type JobChanges<Input = unknown> = WhenOptions &
  WindowOptions & {
    /** Checked against the job's definition, if this process knows it. */
    payload?: NoInfer<Input>
    /** As in a scheduling call. */
    priority?: number
    maxRetries?: number
  }
