import { claimFunction } from '../claim-jobs.ts'
import type { Migration } from './migration.ts'

/** A claim says of jobs with subjects whether one of those is paused; the others are claimed as before. */
export const pausedSubjects: Migration = {
  version: 16,
  name: 'paused subjects',
  statements: tables => [claimFunction(tables)],
}
