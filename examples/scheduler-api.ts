import { JobType, Scheduler } from 'belfry'
import { fromPool } from 'belfry/database'
import type { Pool } from 'pg'

export async function tidyUp(pool: Pool, tomorrow: Date) {
  // The README shows what lies between these lines.
  const scheduler = new Scheduler({ database: fromPool(pool) })
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
