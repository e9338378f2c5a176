import { firstClaimFunction } from '../claim-jobs.ts'
import { nextDueFunction } from '../next-due.ts'
import { settleFunction } from '../settle-finished.ts'
import type { Migration } from './migration.ts'

/** The hot path's statements as functions that keep their plans; see `plannedOnce`. */
export const plannedOnce: Migration = {
  version: 14,
  name: 'statements planned once',
  statements: tables => [firstClaimFunction(tables), nextDueFunction(tables), settleFunction(tables)],
}
