import { JobType, Scheduler, type Job } from 'belfry'
import type { Database } from 'belfry/database'

export async function tidyUp(database: Database, tomorrow: Date): Promise<Job | undefined> {
  // The README shows what lies between these lines.
  const scheduler = new Scheduler({ database })
  scheduler.registerHandler(JobType.DATA_CLEANUP, {
    execute: (payload, { log }) => log(`cleaning ${JSON.stringify(payload)}`),
  })
  await scheduler.start() // makes its tables, then runs what is due
  const { jobId } = await scheduler.scheduleJob(JobType.DATA_CLEANUP, {
    scheduledTime: tomorrow,
    payload: { type: 'old_conversations', days_to_keep: 30 },
  })
  const job = await scheduler.getJob(jobId) // status: 'pending'
  await scheduler.stop()
  // The README shows what lies between these lines.
  return job
}
