import { Scheduler, type SchedulerOptions } from 'belfry'
import type { Database } from 'belfry/database'
import { TestClock } from 'belfry/testing'

/** When the stories of batches begin. */
export const START = '2027-03-01T12:00:00Z'

/** A scheduler on a virtual clock, over a schema of its own. */
export async function batchScheduler(
  engine: { readonly database: Database; freshSchema(): string },
  options: Partial<SchedulerOptions>,
) {
  const clock = new TestClock(START)
  const schema = engine.freshSchema()
  const scheduler = new Scheduler({ database: engine.database, schema, clock, random: () => 0.5, ...options })
  await scheduler.migrate()
  return { clock, scheduler }
}

/** Schedules jobs with payloads counted from 0. */
export function many(
  scheduler: Scheduler,
  job: Parameters<Scheduler['scheduleJobs']>[0][number]['job'],
  count: number,
) {
  return scheduler.scheduleJobs(Array.from({ length: count }, (_, n) => ({ job, payload: { n } })))
}
