import type { FollowingJobs } from '../durable/outbox.ts'
import type { JobRegistry } from '../job/registry.ts'
import type { JobIntake } from './job-intake.ts'
import { requestOf } from './job-requests.ts'

/** Scheduling, as attempts need it. The intake comes later than the runner that wants this. */
export function followingJobs(registry: JobRegistry, intake: () => JobIntake): FollowingJobs {
  return {
    check: async (job, payload, options) => {
      const request = requestOf(registry, { job, payload, options })
      return { ...request, row: await intake().check(request) }
    },
    store: async (transaction, jobs) => {
      const rows = jobs.map(each => each.row)
      await intake().store(jobs, rows, transaction)
    },
  }
}
