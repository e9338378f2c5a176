import { BelfryError, show } from '../errors.ts'
import { requireWhole } from '../job/definition.ts'
import { parseDuration, type Duration } from '../runtime/duration.ts'
import type { Rule } from './rule.ts'

/**
 * What happens to occurrences that were missed while no process ran: `last` fires the latest of them once, `skip` none,
 * `{ last: n, maxAge }` the latest n (at most 100) that are no older than `maxAge` (default: however old).
 */
export type CatchUp = 'last' | 'skip' | { readonly last: number; readonly maxAge?: Duration }

/** A checked policy, as stored. */
export type StoredCatchUp = 'last' | 'skip' | { readonly last: number; readonly maxAge?: number }

/** An occurrence this much late was not missed: its process was just busy, or polling. */
const ON_TIME_MS = 60_000
const MOST_FIRED = 100
/** Counting the skipped ones of long downtime ends here; it takes some 0.2 s. */
const MOST_COUNTED = 1_000

/** @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_DURATION` */
export function requireCatchUp(value: unknown): StoredCatchUp {
  if (value === 'last' || value === 'skip') return value
  if (typeof value === 'object' && value !== null && 'last' in value) {
    const last = requireWhole(value.last, { name: 'catchUp.last', least: 1 })
    const maxAge = 'maxAge' in value ? value.maxAge : undefined
    if (last !== undefined && last <= MOST_FIRED) {
      return maxAge === undefined ? { last } : { last, maxAge: parseDuration(maxAge as Duration, 'catchUp.maxAge') }
    }
  }
  throw new BelfryError(
    'BELFRY_INVALID_OPTION',
    `catchUp: expected 'last', 'skip' or { last: 1 to ${MOST_FIRED}, maxAge? }, got ${show(JSON.stringify(value))}`,
  )
}

/** What to fire now, oldest first, how many are passed over, and when to look next. */
export interface Firing {
  readonly fire: readonly Date[]
  readonly skipped: number
  readonly next: Date | undefined
}

/** Decides what a due schedule fires: a bounded number of occurrences, so that downtime is never followed by a flood. */
export function decideFiring(rule: Rule, catchUp: StoredCatchUp, time: { due: Date; now: Date }): Firing {
  const { due, now } = time
  const next = rule.next(now)
  if (due > now) return { fire: [], skipped: 0, next }
  const { last, maxAge = Infinity } = typeof catchUp === 'object' ? catchUp : { last: 1 }
  const oldest = now.getTime() - Math.max(catchUp === 'skip' ? 0 : maxAge, ON_TIME_MS)
  const fire: Date[] = []
  // By-hand changes of the stored time may name an instant that is no occurrence; it is taken at its word.
  for (let at = latestOf(rule, due, now); fire.length < last && at.getTime() >= oldest; ) {
    fire.unshift(at)
    if (at <= due) break
    at = latestOf(rule, due, new Date(at.getTime() - 1))
  }
  return { fire, skipped: countFrom(rule, due, now) - fire.length, next }
}

/** The last occurrence up to an instant, `due` at the earliest. */
function latestOf(rule: Rule, due: Date, until: Date): Date {
  const following = rule.next(due)
  if (!following || following > until) return due
  const latest = rule.lastUntil(until)
  return latest && latest > due ? latest : due
}

/** Occurrences from `due` to `until`, both included. */
function countFrom(rule: Rule, due: Date, until: Date): number {
  let count = 1
  for (let at = rule.next(due); at && at <= until && count < MOST_COUNTED; at = rule.next(at)) count += 1
  return count
}
