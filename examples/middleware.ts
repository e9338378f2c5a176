import { AsyncLocalStorage } from 'node:async_hooks'
import { Scheduler, type AnyJobDefinition, type ExecutionMiddleware, type SchedulingMiddleware } from 'belfry'
import type { Database } from 'belfry/database'

/** For whom this request, or this job, works. */
export const tenants = new AsyncLocalStorage<string>()

const keepTenant: SchedulingMiddleware = ({ jobs }, next) => {
  const tenant = tenants.getStore()
  if (tenant === undefined) throw new Error('nothing is scheduled without a tenant')
  for (const job of jobs) job.metadata['tenant'] = tenant
  return next()
}

const enterTenant: ExecutionMiddleware = ({ job }, next) => tenants.run(job.metadata['tenant'] ?? '', next)

/** Handlers, and the jobs they schedule, work for the tenant of whoever scheduled them. */
export function forTenants(database: Database, jobs: readonly AnyJobDefinition[]): Scheduler {
  return new Scheduler({ database, jobs, middleware: { scheduling: [keepTenant], execution: [enterTenant] } })
}
