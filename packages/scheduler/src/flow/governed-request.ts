import type { Queryable } from '../database/database.ts'
import type { ResolvedLimits } from '../job/limits.ts'
import type { ClaimedJob, ClaimRequest } from '../store/claim-jobs.ts'
import type { LaneRow } from '../store/lanes.ts'

/** What a governed claim asks for. */
export type GovernedRequest = Omit<ClaimRequest, 'wanted' | 'lookAheadMs'> & {
  /** Takes out, in the claim's transaction, what is not to run after all, before limits are counted. */
  readonly sift?: ((transaction: Queryable, jobs: readonly ClaimedJob[]) => Promise<readonly ClaimedJob[]>) | undefined
}

/** A claim of a type whose row is locked, and how much its limits let in. */
export interface LockedClaim {
  readonly jobType: string
  readonly limits: ResolvedLimits
  readonly lane: LaneRow
  readonly request: GovernedRequest
  readonly most: number
}
