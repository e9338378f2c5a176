import { JobType, Scheduler } from 'belfry'
import type { Database } from 'belfry/database'

/** The scheduler in ten lines, by the names of the integration guide. */
export async function tidyUpTomorrow(database: Database): Promise<string> {
  const scheduler = new Scheduler({ database })
  scheduler.registerHandler(JobType.DATA_CLEANUP, {
    async execute(payload, { log, signal }) {
      log(`cleaning ${JSON.stringify(payload)}`)
      signal.throwIfAborted() // on timeout, cancel and shutdown
    },
  })
  await scheduler.start() // makes its tables, then runs what is due
  const tomorrow = new Date(Date.now() + 24 * 60 * 60 * 1000)
  const { jobId } = await scheduler.scheduleJob(JobType.DATA_CLEANUP, {
    scheduledTime: tomorrow,
    payload: { type: 'old_conversations', days_to_keep: 30 },
  })
  await scheduler.stop()
  return jobId
}
