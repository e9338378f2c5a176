import { BelfryError, show } from '../errors.ts'
import type { JobName } from '../job/job-with-payload.ts'
import type { ScheduleDefinitions } from './schedule-definition.ts'

/** Schedules a program declares. What start makes of them is told by the event `schedules:applied`. */
export interface DeclaredSchedules<Jobs extends readonly JobName[] = readonly JobName[]> {
  /** Recurring schedules, stored or brought in line at start. */
  schedules?: ScheduleDefinitions<Jobs>
  /**
   * Stored schedules that are not among `schedules` at start: true removes those that came from code, `'all'` also those
   * made at run time. Default false: they stay. Not for programs that share a schema and declare different ones.
   */
  removeOtherSchedules?: boolean | 'all'
}

/** The actor of what start does to schedules: nobody is there to be named. */
export const AT_START = 'program'

/** @throws BelfryError `BELFRY_INVALID_OPTION` */
export function checkDeclared({ schedules, removeOtherSchedules = false }: DeclaredSchedules) {
  if (![true, false, 'all'].includes(removeOtherSchedules)) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `removeOtherSchedules: expected true, false or 'all', got ${show(removeOtherSchedules)}`,
    )
  }
  if (schedules === undefined && removeOtherSchedules !== false) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      'removeOtherSchedules: expected schedules beside it, got none; to remove every schedule give schedules: []',
    )
  }
  return { definitions: schedules ?? [], removeOthers: removeOtherSchedules }
}
