import { parseDuration } from 'belfry'
import { nearest } from '../messaging/nearest.ts'
import { variables } from '../settings.ts'
import type { Variable } from '../variable.ts'

/** Short names of the settings one rehearses most; every other is its variable's name without `FOLLOW_UP_`, in dashes. */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  FOLLOW_UP_DEFAULT_DELAY_HOURS: 'delay',
  FOLLOW_UP_MAX_PER_USER_PER_WEEK: 'weekly',
  FOLLOW_UP_MIN_HOURS_BETWEEN: 'between',
  FOLLOW_UP_QUIET_HOURS: 'quiet',
  FOLLOW_UP_TIME_ZONE: 'zone',
  FOLLOW_UP_MIN_MESSAGES: 'messages',
  FOLLOW_UP_MAX_UNANSWERED: 'unanswered',
  FOLLOW_UP_MAX_AGE_DAYS: 'age',
  FOLLOW_UP_MAX_LATE_HOURS: 'late',
  FOLLOW_UP_PER_MINUTE: 'rate',
  FOLLOW_UP_HOLDOUT_PERCENT: 'holdout',
}

const UNITS_MS: readonly [ending: string, ms: number][] = [
  ['_HOURS', 3_600_000],
  ['_HOURS_BETWEEN', 3_600_000],
  ['_DAYS', 86_400_000],
]

/** Settings of follow-ups by the names `--set` knows them by. */
export const rehearsable: ReadonlyMap<string, Variable> = new Map(
  variables.filter(({ name }) => name.startsWith('FOLLOW_UP_')).map(variable => [shortName(variable.name), variable]),
)

function shortName(variable: string): string {
  return (
    SHORT_NAMES[variable] ??
    variable
      .replace(/^FOLLOW_UP_/, '')
      .toLowerCase()
      .replaceAll('_', '-')
  )
}

/**
 * Reads `weekly=1`, `delay=24h` as environment variables, checked as the settings themselves are. Spans may have a unit;
 * bare numbers are the setting's own. A later one of the same name wins. Answers what is wrong as text.
 */
export function parseSets(sets: readonly string[]): Readonly<Record<string, string>> | string {
  const environment: Record<string, string> = {}
  for (const set of sets) {
    const equals = set.indexOf('=')
    const name = (equals === -1 ? set : set.slice(0, equals)).trim()
    const variable = rehearsable.get(name)
    if (!variable) return unknownName(name)
    if (equals === -1) return `--set ${name}: expected ${name}=VALUE, ${variable.expects}`
    const typed = set.slice(equals + 1).trim()
    const value = inUnitOf(variable.name, typed)
    // An empty value means the setting's default, as everywhere.
    if (value !== '' && !variable.accepts(value)) {
      const why = variable.fault?.(value)
      return `--set ${name}: expected ${variable.expects}, got ${JSON.stringify(typed)}${why ? `: ${why}` : ''}`
    }
    environment[variable.name] = value
  }
  return environment
}

function unknownName(name: string): string {
  const near = nearest(name, rehearsable.keys())
  const hint = near === undefined ? '' : ` Did you mean ${near}?`
  return `--set: there is no ${JSON.stringify(name.slice(0, 40))}.${hint} Known: ${[...rehearsable.keys()].join(', ')}`
}

/** `24h` as 24 for a setting in hours. What is no duration is left for the setting's own check to refuse. */
function inUnitOf(variable: string, typed: string): string {
  const unitMs = UNITS_MS.find(([ending]) => variable.endsWith(ending))?.[1]
  if (unitMs === undefined || !/^[\d.]+\s*[a-z]/i.test(typed)) return typed
  try {
    return String(Math.round((parseDuration(typed) / unitMs) * 1e9) / 1e9)
  } catch {
    return typed
  }
}
