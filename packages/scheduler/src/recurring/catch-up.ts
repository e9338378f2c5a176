import type { Rule } from './rule.ts'

/**
 * What happens to occurrences that were missed while no process ran: `last` fires the latest of them once, `skip` none.
 */
export type CatchUp = 'last' | 'skip'

/** An occurrence this much late was not missed: its process was just busy, or polling. */
const ON_TIME_MS = 60_000

/** What to fire now, and when to look next. */
export interface Firing {
  readonly fire: Date | undefined
  readonly next: Date | undefined
}

/** Decides what a due schedule fires: at most one occurrence, so that downtime is never followed by a flood. */
export function decideFiring(rule: Rule, catchUp: CatchUp, time: { due: Date; now: Date }): Firing {
  const { due, now } = time
  const latest = rule.lastUntil(now)
  // By-hand changes of the stored time may name an instant that is no occurrence; it is taken at its word.
  const occurrence = latest && latest > due ? latest : due
  const missed = now.getTime() - occurrence.getTime() > ON_TIME_MS
  return { fire: missed && catchUp === 'skip' ? undefined : occurrence, next: rule.next(now) }
}
