import { BelfryError, show } from '../errors.ts'
import { parseDuration, type Duration } from '../runtime/duration.ts'
import { requireWhole } from './whole.ts'

/** At most so many starts (or so much weight) within any span of time: a sliding window. */
export interface Rate {
  limit: number
  per: Duration
}

/** Limits of a job type, kept over all processes together. */
export interface Limits {
  /** Jobs of the type that run at the same time. */
  concurrency?: number
  /** Jobs of the type that start within a span. */
  rate?: Rate
  /** The same for each `concurrencyKey` by itself. `fifo`: one at a time, strictly in order, a retry before its followers. */
  perKey?: { concurrency?: number; rate?: Rate; fifo?: never } | { fifo: true; concurrency?: never; rate?: Rate }
  /** After so many failures in a row the type rests for a while, then tries one job; if that completes it goes on. */
  breaker?: { failures: number; rest: Duration }
}

/** Limits as they are stored: durations in milliseconds. */
export interface ResolvedLimits {
  readonly concurrency?: number
  readonly rate?: ResolvedRate
  readonly perKey?: { readonly concurrency?: number; readonly rate?: ResolvedRate; readonly fifo: boolean }
  readonly breaker?: { readonly failures: number; readonly restMs: number }
}

export interface ResolvedRate {
  readonly limit: number
  readonly perMs: number
}

/** The window's starts are kept one by one, so that the limit is exact; more than this would make the row heavy. */
const LARGEST_RATE = 1_000

/**
 * Checks limits where they are written.
 * @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_DURATION`
 */
export function resolveLimits(limits: Limits, what: string): ResolvedLimits {
  if (typeof limits !== 'object' || limits === null) {
    throw new BelfryError('BELFRY_INVALID_OPTION', `${what}: expected { concurrency, rate, … }, got ${show(limits)}`)
  }
  const { concurrency, rate, perKey, breaker } = limits
  return {
    ...whole('concurrency', concurrency, what),
    ...(rate && { rate: resolveRate(rate, `${what}.rate`) }),
    ...(perKey && {
      perKey: {
        ...(perKey.fifo ? { concurrency: 1 } : whole('concurrency', perKey.concurrency, `${what}.perKey`)),
        ...(perKey.rate && { rate: resolveRate(perKey.rate, `${what}.perKey.rate`) }),
        fifo: perKey.fifo === true,
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

function whole(key: 'concurrency', value: unknown, what: string): { concurrency?: number } {
  const checked = requireWhole(value, { name: `${what}.${key}`, least: 1 })
  return checked === undefined ? {} : { concurrency: checked }
}

function resolveRate(rate: Rate, what: string): ResolvedRate {
  const limit = requireWhole(rate.limit, { name: `${what}.limit`, least: 1 })
  if (limit === undefined || limit > LARGEST_RATE) {
    throw new BelfryError('BELFRY_INVALID_OPTION', `${what}.limit: expected 1 to ${LARGEST_RATE}, got ${show(limit)}`)
  }
  const perMs = parseDuration(rate.per, `${what}.per`)
  if (perMs < 1) throw new BelfryError('BELFRY_INVALID_OPTION', `${what}.per: expected 1 ms or more, got ${perMs}`)
  return { limit, perMs }
}
