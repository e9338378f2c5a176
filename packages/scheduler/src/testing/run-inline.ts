import { AsyncResource } from 'node:async_hooks'
import type { Scheduler } from '../scheduler.ts'

/** Jobs that run as soon as they are scheduled. */
export interface InlineRun {
  /**
   * Resolves when every job that is due has run, those that became due through them included. Await it before looking at
   * what jobs did, and after a transaction that scheduled some has committed.
   * @throws what went wrong with the database; what handlers throw fails their jobs, as ever
   */
  settled(): Promise<void>
  /** From here on jobs wait again. */
  stop(): void
}

/**
 * Runs due jobs in this process at the moment they are scheduled, through the real tables: for tests of code that
 * schedules. The scheduler is one that is not started. Jobs for later wait until its clock is moved and `settled` asked.
 */
export function runInline(scheduler: Scheduler): InlineRun {
  // Outside the transaction that schedules, whose connection it must not use.
  const outside = new AsyncResource('belfry.runInline')
  let failure: { error: unknown } | undefined
  let running: Promise<unknown> = Promise.resolve()
  const run = () => {
    running = running
      .then(() => scheduler.runDueJobs())
      .catch((error: unknown) => {
        failure ??= { error }
      })
  }
  const stop = scheduler.on('job:scheduled', () => outside.runInAsyncScope(run))
  return {
    stop,
    async settled() {
      outside.runInAsyncScope(run)
      for (let last: unknown; last !== running; ) {
        last = running
        await running
      }
      const failed = failure
      failure = undefined
      if (failed) throw failed.error
    },
  }
}
