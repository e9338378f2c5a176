import type { Scheduler } from 'belfry'

/** A pending job never starts; a running one, in whatever process, is told through its `signal`. */
export async function stopExport(scheduler: Scheduler, jobId: string): Promise<string> {
  const result = await scheduler.cancelJob(jobId, { reason: 'the user closed the page' })
  const job = await scheduler.getJob(jobId)
  return `${result}: ${job?.status ?? 'gone'}`
}
