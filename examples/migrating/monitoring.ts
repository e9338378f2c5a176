import type { Scheduler } from 'belfry'

/** What a health page shows: the backlog, its age, the last day's success, and types nobody runs. */
export async function health(scheduler: Scheduler) {
  const stats = await scheduler.getStats()
  return {
    due: stats.due,
    oldestDueMs: stats.oldestDueMs,
    successRate: stats.successRate24h,
    failed: stats.counts.failed,
    nobodyRuns: stats.types.filter(type => !type.handled).map(type => type.jobType),
    runners: stats.runners.filter(runner => runner.alive).length,
  }
}

/** Calls back for every job that has failed for good. The answer stops it. */
export function onGivenUp(scheduler: Scheduler, tell: (jobId: string, error: unknown) => void): () => void {
  return scheduler.on('job:settled', ({ jobId, outcome, willRetry, error }) => {
    if (outcome === 'failed' && !willRetry) tell(jobId, error)
  })
}
