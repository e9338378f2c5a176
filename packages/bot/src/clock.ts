import type { Clock } from 'belfry'

/** What statements take for now: ISO text under a virtual clock, null for the database's own clock. */
export function databaseNow(clock: Clock): string | null {
  return clock.databaseNow()?.toISOString() ?? null
}
