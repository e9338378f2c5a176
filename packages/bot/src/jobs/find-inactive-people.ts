import type { Scheduler, ScheduleDefinition } from 'belfry'
import { findInactivePeople, LOOK_INTERVAL_MS } from '../followups/find-inactive-people.ts'
import type { PlannerParts } from '../followups/plan-follow-up.ts'
import { findInactivePeopleJob } from '../job-catalog.ts'

/** Finds people who went quiet with nothing planned. */
export function registerFindInactiveHandler(scheduler: Scheduler, parts: PlannerParts): void {
  scheduler.registerHandler(findInactivePeopleJob, (_payload, { signal }) => findInactivePeople(parts, signal))
}

/** Every ten minutes, one at a time; what was missed while nothing ran is made good by the first look. */
export const findInactiveSchedule = {
  scheduleId: 'find-inactive-people',
  job: findInactivePeopleJob,
  rule: { every: LOOK_INTERVAL_MS },
  overlap: 'skip',
} satisfies ScheduleDefinition
