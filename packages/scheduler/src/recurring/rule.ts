import { Cron } from 'croner'
import { BelfryError, show } from '../errors.ts'
import { parseDuration, type Duration } from '../runtime/duration.ts'

/** When a schedule fires: a cron rule, or a fixed interval. */
export type RuleInput = string | { readonly every: Duration }

/** A checked rule. `next` and `previous` are the only functions that know when it fires: preview and firing share them. */
export interface Rule {
  /** As stored: parsing it again gives the same rule. */
  readonly text: string
  readonly timeZone: string
  /** The first occurrence strictly after an instant; undefined when there is none. */
  next(after: Date): Date | undefined
  /** The last occurrence at or before an instant; undefined when there is none. */
  lastUntil(instant: Date): Date | undefined
}

const LONGEST_RULE = 200
const EVERY = 'every '
/** Shorter intervals are a loop, not a schedule. */
const SHORTEST_INTERVAL_MS = 1_000

/**
 * Parses a rule: cron with 5 or 6 fields (seconds first), a nickname (`@daily` …), or `{ every: '5m' }`.
 *
 * Over daylight-saving changes a rule with fixed times (no `*` and no step in hour, minute and second) fires exactly
 * once per intended local day: at the first instant after a gap, at the first of two in an overlap. Rules with `*` or
 * steps go by elapsed time and lose nothing on either day. Intervals count from 1970, so that a restart shifts nothing.
 *
 * @param timeZone IANA name; default UTC, never the process's zone
 * @throws BelfryError `BELFRY_INVALID_RULE`, `BELFRY_INVALID_TIME_ZONE`, `BELFRY_INVALID_DURATION`
 */
export function parseRule(input: RuleInput, timeZone = 'UTC'): Rule {
  const zone = requireTimeZone(timeZone)
  if (typeof input === 'object' && input !== null) return intervalRule(input.every, zone)
  if (typeof input !== 'string' || input.trim() === '' || input.length > LONGEST_RULE) {
    throw invalid(input, `text of 1 to ${LONGEST_RULE} characters`)
  }
  const text = input.trim()
  return text.startsWith(EVERY) ? intervalRule(text.slice(EVERY.length), zone) : cronRule(text, zone)
}

function cronRule(text: string, timeZone: string): Rule {
  let cron: Cron
  try {
    cron = new Cron(text, { timezone: timeZone, mode: '5-or-6-parts', fixedTimeRule: 'no-wildcard', paused: true })
  } catch (error) {
    throw invalid(text, error instanceof Error ? error.message : 'no cron rule')
  }
  // An impossible date such as 31 February gives no next run instead of an error.
  if (cron.nextRun(new Date(0)) === null) throw invalid(text, 'it never comes true')
  return {
    text,
    timeZone,
    next: after => cron.nextRun(after) ?? undefined,
    lastUntil: instant => cron.previousRuns(1, new Date(instant.getTime() + 1))[0],
  }
}

function intervalRule(every: Duration, timeZone: string): Rule {
  const ms = parseDuration(every, 'every')
  if (ms < SHORTEST_INTERVAL_MS) throw invalid(every, 'an interval of a second or more')
  return {
    text: `${EVERY}${ms}ms`,
    timeZone,
    next: after => new Date((Math.floor(after.getTime() / ms) + 1) * ms),
    lastUntil: instant => new Date(Math.floor(instant.getTime() / ms) * ms),
  }
}

/** The next occurrences after an instant, by the very function that fires them. */
export function previewOccurrences(rule: Rule, from: Date, count: number): Date[] {
  const occurrences: Date[] = []
  for (let after: Date | undefined = from; occurrences.length < count; ) {
    after = rule.next(after)
    if (!after) break
    occurrences.push(after)
  }
  return occurrences
}

function invalid(input: unknown, reason: string): BelfryError {
  return new BelfryError(
    'BELFRY_INVALID_RULE',
    `schedule rule: expected cron text such as '0 3 * * *' or { every: '5m' }, got ${show(input)} (${reason})`,
  )
}

function requireTimeZone(timeZone: unknown): string {
  try {
    if (typeof timeZone !== 'string' || timeZone === '') throw new RangeError('no text')
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone
  } catch {
    throw new BelfryError(
      'BELFRY_INVALID_TIME_ZONE',
      `timeZone: expected an IANA name such as 'Europe/Berlin', got ${show(timeZone)}`,
    )
  }
}
