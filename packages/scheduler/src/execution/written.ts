import type { FollowingJob } from '../durable/outbox.ts'
import type { FinishedAttempt } from '../store/settle-finished.ts'
import type { UnfinishedAttempt } from '../store/settle-pending.ts'
import type { AttemptEnd } from './settlement.ts'

/** The jobs that exist if, and only if, this attempt completed. */
export function followingOf({ held, outcome }: AttemptEnd): readonly FollowingJob[] {
  return (outcome.kind === 'completed' && held.following) || NOTHING_FOLLOWS
}

const NOTHING_FOLLOWS: readonly FollowingJob[] = []

/** An end and its row; an instance for the sake of memory, see `EndedAttempt`. */
export class Written<Row> {
  readonly end: AttemptEnd
  readonly row: Row
  isWritten = false

  constructor(end: AttemptEnd, row: Row) {
    this.end = end
    this.row = row
  }
}

/** An end that is in the database. */
export interface WrittenEnd {
  readonly end: AttemptEnd
  isWritten?: boolean
}

/** What one flush writes, by the statement it takes. */
export interface Groups {
  /** Completed, with jobs to store along. */
  readonly followed: Written<FinishedAttempt>[]
  readonly over: Written<FinishedAttempt>[]
  readonly again: Written<UnfinishedAttempt>[]
}
