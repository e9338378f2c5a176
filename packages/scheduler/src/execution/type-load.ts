/** What is known of one type's jobs in this process. */
export class TypeLoad {
  running = 0
  /** Claimed and not started yet. */
  waiting = 0
  /** Calls of its handler that take a slot: one for each running job, or for each running batch. */
  slots = 0
  /** Moving average of how long a handler takes, in ms; undefined before the first one ended. */
  meanMs: number | undefined
  /** When a handler ended last, by the monotonic clock. */
  endedAt = 0
}
