import type { Scheduler } from 'belfry'
import { dataCleanupJob } from '../job-catalog.ts'
import { cleanUp, type RetentionParts } from '../operations/retention.ts'

/** DATA_CLEANUP: removes what is older than it is kept; its result says how much of what. */
export function registerCleanupHandler(scheduler: Scheduler, parts: RetentionParts): void {
  scheduler.registerHandler(dataCleanupJob, (payload, context) =>
    cleanUp(parts, { cleanup: payload.type, daysToKeep: payload.daysToKeep, signal: context.signal }),
  )
}
