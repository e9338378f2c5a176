import { BelfryError, type Scheduler } from 'belfry'

/** The part of a BullMQ job that is read here; its `Job` fits. */
export interface WaitingJob {
  id?: string | undefined
  name: string
  data: unknown
  timestamp: number
  delay: number
  attemptsMade: number
  opts: { attempts?: number | undefined }
  remove(): Promise<void>
}

/**
 * Moves what `queue.getJobs(['waiting', 'delayed', 'prioritized'])` answers, after `queue.pause()`. Two
 * databases share no transaction, so each job is stored first and removed second; a second run after a crash in
 * between finds the id taken and only removes.
 */
export async function moveJobsFromBullMq(scheduler: Scheduler, queue: string, jobs: readonly WaitingJob[]) {
  for (const job of jobs) {
    const stored = scheduler.scheduleJob(job.name, {
      jobId: `${queue}:${job.id ?? 'none'}`,
      payload: job.data ?? {},
      scheduledTime: new Date(job.timestamp + job.delay),
      maxRetries: Math.max((job.opts.attempts ?? 1) - job.attemptsMade - 1, 0),
    })
    await stored.catch((error: unknown) => {
      if (!(error instanceof BelfryError && error.code === 'BELFRY_DUPLICATE_JOB_ID')) throw error
    })
    await job.remove()
  }
}
