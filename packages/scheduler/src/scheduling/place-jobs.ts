import type { Queryable } from '../database/database.ts'
import { place, spreadKey, windowFor } from '../job/delivery.ts'
import type { DatabaseClock } from '../store/database-clock.ts'
import type { NewJob } from '../store/new-job.ts'
import type { JobRequest } from './check-job.ts'

/** Moves jobs that would be due outside their delivery window to the next opening. Of others not even the time is asked. */
export async function placeJobs(
  work: { requests: readonly JobRequest[]; jobs: readonly NewJob[] },
  { clock, queryable }: { clock: DatabaseClock; queryable: Queryable },
): Promise<readonly NewJob[]> {
  const windows = work.jobs.map((job, index) => windowFor(work.requests[index]?.definition, job.delivery ?? null))
  if (windows.every(window => window === undefined)) return work.jobs
  const now = await clock.now(queryable)
  return work.jobs.map((job, index) => {
    const window = windows[index]
    if (!window) return job
    const wanted = job.scheduledTime === null ? now + job.delayMs : Date.parse(job.scheduledTime)
    const placed = place(window, { wanted, now, key: spreadKey(job), delivery: job.delivery ?? null })
    if (placed.due === wanted) return job
    return { ...job, scheduledTime: new Date(placed.due).toISOString(), delayMs: 0, delivery: placed.delivery }
  })
}
