import type { Scheduler } from 'belfry'

/** Tells of every job that fails for good, in whatever process, until the scheduler stops. */
export async function tellFailures(scheduler: Scheduler, tell: (text: string) => void): Promise<void> {
  for await (const event of await scheduler.watch({ events: ['job:settled'] })) {
    if (event.event !== 'job:settled' || event.outcome !== 'failed' || event.willRetry) continue
    tell(`${event.jobType} on ${event.host}: ${event.error}`)
  }
}
