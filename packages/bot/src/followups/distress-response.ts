import type { Logger } from 'belfry'
import type { Queryable } from 'belfry/database'
import { DISTRESS_DAYS, suppressForDistress } from './distress-store.ts'

/**
 * What follows when somebody may be in danger: no automatic follow-up for 30 days, and the operators are told that it
 * happened, without who and what. Whom it concerns is in `user_profiles`, for those who may read it.
 */
export async function respondToDistress(
  database: Queryable,
  request: { userId: string; now: string | null; logger: Logger },
): Promise<void> {
  const begins = await suppressForDistress(database, request.userId, request.now)
  if (!begins) return
  request.logger.warn(
    { event: 'distress_seen', days: DISTRESS_DAYS },
    'somebody may be in danger; they were told where help is and get no follow-up (user_profiles.suppressed)',
  )
}
