import { BelfryError, show } from '../errors.ts'
import { parseDuration, type Duration } from '../runtime/duration.ts'

/** How long to wait before a retry: `min(initial × factor^(retry-1), max)`, spread by ± jitter. */
export interface BackoffRule {
  /** Pause before the first retry. Default 300 s, as the system this follows had it. */
  initial?: Duration
  /** What each further pause is multiplied by. Default 2. */
  factor?: number
  /** Longest pause. Default 3600 s. */
  max?: Duration
  /** Share by which each pause is spread at random, so that jobs that failed together do not return together. Default 0.1. */
  jitter?: number
}

/** How long to wait before a retry: a rule, or a function of the retry's number (1 = first) and the error. */
export type Backoff = BackoffRule | ((retry: number, error: unknown) => Duration)

const DEFAULT_INITIAL_MS = 300_000
const DEFAULT_MAX_MS = 3_600_000
const DEFAULT_JITTER = 0.1

/**
 * Milliseconds before retry number `retry` (1 = the first): `min(initial × factor^(retry-1), max)`, spread by ± jitter.
 * @param random a number from 0 up to 1, as `Math.random()` gives it
 * @throws BelfryError when a custom function answers something that is no duration, or a stored rule was spoiled
 */
export function backoffDelay(backoff: Backoff, failure: { retry: number; error: unknown; random: number }): number {
  if (typeof backoff === 'function') {
    return parseDuration(backoff(failure.retry, failure.error), 'backoff function')
  }
  requireBackoff(backoff, 'backoff')
  const initial = parseDuration(backoff.initial ?? DEFAULT_INITIAL_MS, 'backoff.initial')
  const longest = parseDuration(backoff.max ?? DEFAULT_MAX_MS, 'backoff.max')
  // The power grows beyond all bounds: 0 times that is no number.
  const pause = initial === 0 ? 0 : Math.min(initial * (backoff.factor ?? 2) ** (failure.retry - 1), longest)
  const jitter = backoff.jitter ?? DEFAULT_JITTER
  return Math.round(pause * (1 + jitter * (2 * failure.random - 1)))
}

/**
 * Checks a backoff rule where it is written, not at the first failure at night.
 * @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_DURATION`
 */
export function requireBackoff<Given extends Backoff>(backoff: Given, what: string): Given {
  if (typeof backoff === 'function') return backoff
  if (typeof backoff !== 'object' || backoff === null || Array.isArray(backoff)) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `${what}: expected a rule such as { initial: '10s', max: '1h' }, got ${show(backoff)}`,
    )
  }
  const { factor = 2, jitter = DEFAULT_JITTER } = backoff
  if (!Number.isFinite(factor) || factor < 1) {
    throw new BelfryError('BELFRY_INVALID_OPTION', `${what}.factor: expected a number from 1 up, got ${show(factor)}`)
  }
  if (!Number.isFinite(jitter) || jitter < 0 || jitter > 1) {
    throw new BelfryError('BELFRY_INVALID_OPTION', `${what}.jitter: expected a number from 0 to 1, got ${show(jitter)}`)
  }
  parseDuration(backoff.initial ?? DEFAULT_INITIAL_MS, `${what}.initial`)
  parseDuration(backoff.max ?? DEFAULT_MAX_MS, `${what}.max`)
  return backoff
}

/**
 * Checks the backoff of one job, which is stored with it: spans in milliseconds. Null when there is none.
 * @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_DURATION`
 */
export function requireStorableBackoff(backoff: BackoffRule | undefined): BackoffRule | null {
  if (backoff === undefined) return null
  if (typeof backoff === 'function') {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      "backoff: expected a rule such as { initial: '10s', max: '1h' } for one job, got a function, which cannot be " +
        'stored. Give it to the definition.',
    )
  }
  const { initial, max, ...rest } = requireBackoff(backoff, 'backoff')
  return {
    ...(initial !== undefined && { initial: parseDuration(initial, 'backoff.initial') }),
    ...(max !== undefined && { max: parseDuration(max, 'backoff.max') }),
    ...rest,
  }
}
