import { BelfryError, show } from '../errors.ts'
import { parseDuration, parseSpan, type Duration } from '../runtime/duration.ts'
import { refuseUnknown, type KnownNames } from './known-names.ts'
import { requireWhole } from './whole.ts'

/**
 * At most so many starts (or so much weight) per span. Without `burst` within any span of time: a sliding window, exact,
 * up to 1,000. With `burst` a token bucket of any size: so many may start at once after a rest, then `limit` per span.
 */
export type Rate = { limit: number; per: Duration; burst?: never } | { limit: number; per: Duration; burst: number }

/**
 * At most so much (tokens, money, seconds of a paid machine) within any span. A job reserves its `cost` when it starts;
 * what `context.spend` says it did not use goes back to the others when its attempt ends.
 */
export interface Budget {
  amount: number
  per: Duration
}

/** Limits of each `concurrencyKey` by itself. */
export type KeyLimits = {
  /** Starts of one key within a span. */
  rate?: Rate
  /** What the jobs of one key may cost within a span. */
  budget?: Budget
  /** Keys take turns, those with the fewest running jobs first: one with a long queue does not hold up the others. */
  fair?: boolean
} & (
  | {
      /** Jobs of one key that run at the same time. */
      concurrency?: number
      fifo?: never
    }
  | {
      /** One at a time, strictly in order, a retry before its followers. */
      fifo: true
      concurrency?: never
    }
)

/** Limits of a job type, kept over all processes together. */
export interface Limits {
  /** Jobs of the type that run at the same time. */
  concurrency?: number
  /** Jobs of the type that start within a span. */
  rate?: Rate
  /** What the jobs of the type may cost within a span. */
  budget?: Budget
  /** Limits of each `concurrencyKey` by itself. */
  perKey?: KeyLimits
  /** After so many failures in a row the type rests for a while, then tries one job; if that completes it goes on. */
  breaker?: { failures: number; rest: Duration }
}

/** Limits as they are stored: durations in milliseconds. */
export interface ResolvedLimits {
  readonly concurrency?: number
  readonly rate?: ResolvedRate
  readonly budget?: ResolvedBudget
  readonly perKey?: ResolvedKeyLimits
  readonly breaker?: { readonly failures: number; readonly restMs: number }
}

export interface ResolvedKeyLimits {
  readonly concurrency?: number
  readonly rate?: ResolvedRate
  readonly budget?: ResolvedBudget
  readonly fifo: boolean
  readonly fair?: boolean
}

export interface ResolvedRate {
  readonly limit: number
  readonly perMs: number
  /** Of a token bucket; left out for a sliding window. */
  readonly burst?: number
}

export interface ResolvedBudget {
  readonly amount: number
  readonly perMs: number
}

/** The window's starts are kept one by one, so that the limit is exact; more than this would make the row heavy. */
const LARGEST_WINDOW = 1_000

/**
 * Checks limits where they are written.
 * @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_DURATION`
 */
export function resolveLimits(limits: Limits, what: string): ResolvedLimits {
  const resolved = resolve(limits, what)
  const { rate, budget, perKey, breaker } = limits
  const parts: [unknown, Readonly<Record<string, true>>, string][] = [
    [limits, LIMITS, what],
    [perKey, KEY_LIMITS, `${what}.perKey`],
    [breaker, BREAKER, `${what}.breaker`],
    ...[rate, perKey?.rate].map((each): [unknown, typeof RATE, string] => [each, RATE, `${what}: a rate`]),
    ...[budget, perKey?.budget].map((each): [unknown, typeof BUDGET, string] => [each, BUDGET, `${what}: a budget`]),
  ]
  for (const [given, known, name] of parts) if (given) refuseUnknown(given, known, name)
  return resolved
}

const LIMITS: KnownNames<Limits> = { concurrency: true, rate: true, budget: true, perKey: true, breaker: true }
const KEY_LIMITS: KnownNames<KeyLimits> = { concurrency: true, rate: true, budget: true, fifo: true, fair: true }
const RATE: KnownNames<Rate> = { limit: true, per: true, burst: true }
const BUDGET: KnownNames<Budget> = { amount: true, per: true }
const BREAKER: KnownNames<NonNullable<Limits['breaker']>> = { failures: true, rest: true }

function resolve(limits: Limits, what: string): ResolvedLimits {
  if (typeof limits !== 'object' || limits === null) {
    throw new BelfryError('BELFRY_INVALID_OPTION', `${what}: expected { concurrency, rate, … }, got ${show(limits)}`)
  }
  const { concurrency, perKey, breaker } = limits
  if (perKey !== undefined && (typeof perKey !== 'object' || perKey === null)) {
    throw new BelfryError('BELFRY_INVALID_OPTION', `${what}.perKey: expected limits of each key, got ${show(perKey)}`)
  }
  return {
    ...whole('concurrency', concurrency, what),
    ...metered(limits, what),
    ...(perKey && {
      perKey: {
        ...(perKey.fifo ? { concurrency: 1 } : whole('concurrency', perKey.concurrency, `${what}.perKey`)),
        ...metered(perKey, `${what}.perKey`),
        fifo: perKey.fifo === true,
        ...(perKey.fair && { fair: true }),
      },
    }),
    ...(breaker && {
      breaker: {
        failures: requireWhole(breaker.failures, { name: `${what}.breaker.failures`, least: 1 }) ?? 1,
        restMs: parseDuration(breaker.rest, `${what}.breaker.rest`),
      },
    }),
  }
}

/**
 * Limits as they are stored, where somebody may have written anything; a later release may know more of them.
 * @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_DURATION`
 */
export function readLimits(stored: unknown, what: string): ResolvedLimits {
  return resolve(asWritten(stored) as Limits, what)
}

/** With the names that spans of time have where limits are written; a number of milliseconds is a span. */
function asWritten(stored: unknown): unknown {
  if (typeof stored !== 'object' || stored === null) return stored
  return Object.fromEntries(
    Object.entries(stored).map(([name, value]) => [SPANS[name as keyof typeof SPANS] ?? name, asWritten(value)]),
  )
}

const SPANS = { perMs: 'per', restMs: 'rest' } as const

function whole(key: 'concurrency', value: unknown, what: string): { concurrency?: number } {
  const checked = requireWhole(value, { name: `${what}.${key}`, least: 1 })
  return checked === undefined ? {} : { concurrency: checked }
}

/** The cost of a job whose call and definition say none. */
const DEFAULT_COST = 1

/**
 * What a start reserves of a budget, or undefined when it was not given.
 * @throws BelfryError `BELFRY_INVALID_OPTION`
 */
export function requireCost(value: unknown, what: string): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  throw new BelfryError('BELFRY_INVALID_OPTION', `${what}: expected a number from 0 up, got ${show(value)}`)
}

/**
 * Refuses a job that costs more than a whole budget, and so could never start.
 * @throws BelfryError `BELFRY_COST_EXCEEDS_BUDGET`
 */
export function requireAffordable(
  job: { readonly type: string; readonly limits: ResolvedLimits | undefined },
  cost = DEFAULT_COST,
): void {
  if (isAffordable(job.limits, cost)) return
  throw new BelfryError(
    'BELFRY_COST_EXCEEDS_BUDGET',
    `cost of ${job.type}: expected at most the whole budget (${leastBudget(job.limits)}), got ${cost}; ` +
      'raise the budget, or split the job',
  )
}

/** A cost that was not given has been judged with the definition. */
export function isAffordable(limits: ResolvedLimits | undefined, cost = 0): boolean {
  return cost <= leastBudget(limits)
}

function leastBudget(limits: ResolvedLimits | undefined): number {
  const amounts = [limits?.budget?.amount, limits?.perKey?.budget?.amount].filter(each => each !== undefined)
  return Math.min(...amounts)
}

function metered(limits: { rate?: Rate; budget?: Budget }, what: string) {
  return {
    ...(limits.rate && { rate: resolveRate(limits.rate, `${what}.rate`) }),
    ...(limits.budget && { budget: resolveBudget(limits.budget, `${what}.budget`) }),
  }
}

function resolveRate(rate: Rate, what: string): ResolvedRate {
  const limit = requireWhole(rate.limit, { name: `${what}.limit`, least: 1 })
  const burst = requireWhole(rate.burst, { name: `${what}.burst`, least: 1 })
  if (limit === undefined || (limit > LARGEST_WINDOW && burst === undefined)) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `${what}.limit: expected 1 to ${LARGEST_WINDOW}, got ${show(limit)}; with burst (a token bucket) it may be larger`,
    )
  }
  return { limit, perMs: parseSpan(rate.per, `${what}.per`), ...(burst !== undefined && { burst }) }
}

function resolveBudget({ amount, per }: Budget, what: string): ResolvedBudget {
  if (typeof amount !== 'number' || !Number.isFinite(amount) || amount <= 0) {
    throw new BelfryError('BELFRY_INVALID_OPTION', `${what}.amount: expected a number above 0, got ${show(amount)}`)
  }
  return { amount, perMs: parseSpan(per, `${what}.per`) }
}
