import { BelfryError, show } from '../errors.ts'
import { parseSpan, type Duration } from '../runtime/duration.ts'
import type { Backoff } from './backoff.ts'
import type { DeliveryWindow } from './delivery-window.ts'
import { refuseUnknown, type KnownNames } from './known-names.ts'
import type { Limits } from './limits.ts'
import type { Revalidate } from './revalidate.ts'
import type { Schema } from './standard-schema.ts'

/** What every job type may say of itself. */
export interface CommonJobOptions<Payload, Input = Payload> {
  /** Stored with each job; never rename it in place. */
  type: string
  /** Any Standard Schema (zod, valibot, …). Checked when a job is scheduled and again when it runs. Default: anything. */
  payload?: Schema<Payload, Input>
  /** The payload's version; raise it when its shape changes and say in `upcast` how old rows are read. Default 1. */
  payloadVersion?: number
  /** By version: turns a payload of that version into the next one's shape. */
  upcast?: Readonly<Record<number, (payload: unknown) => unknown>>
  /** Retries after the first failed attempt. Default 3. */
  maxRetries?: number
  /** Longest run of one attempt. Default 15 minutes. */
  timeout?: Duration
  /** Pause before each retry. Default: 5 min, 10 min, 20 min … up to an hour, ±10 %. */
  backoff?: Backoff
  /**
   * Calls of the handler that run at the same time in one process. Default: the scheduler's concurrency; for batches 1, so
   * that what becomes due meanwhile gathers.
   */
  concurrency?: number
  /** Limits over all processes: concurrency, rates, per key, a breaker. Default: none. */
  limits?: Limits
  /** What a job of this type reserves of `limits.budget` when it starts, if its call says nothing. Default 1. */
  cost?: number
  /** Where its jobs stand among those of the type: from -100 (last) to 100 (first). Default 0. */
  priority?: number
  /** No attempt starts later than this after the job was first due; it then ends as `cancelled`, reason `expired`. */
  expireAfter?: Duration
  /** What becomes of a job that expired: `drop` (default, cancelled), `run` it late, or put it off by a span. */
  onExpired?: OnExpired
  /** Times of day in which its jobs may start; one that is due outside is put off to the next opening. Default: any time. */
  window?: DeliveryWindow
  /** Crashes of a process in mid-job before the job is given up as `lost`. Default 3. */
  maxLost?: number
  /**
   * Asked in the claim's own transaction, the job's row being locked: `'run'`, `{ skip: reason }` or `{ postpone }`. At
   * most 5 s per job. Such jobs are claimed apart from others, when they are due and not ahead. Default: not asked.
   */
  revalidate?: Revalidate<Payload>
}

/** What becomes of a job that could not start in time. A job put off gets a new deadline as far from its new due time. */
export type OnExpired = 'drop' | 'run' | { readonly reschedule: Duration }

/** Their names. */
export const COMMON: KnownNames<CommonJobOptions<unknown> & { handler: unknown }> = {
  type: true,
  payload: true,
  payloadVersion: true,
  upcast: true,
  handler: true,
  maxRetries: true,
  timeout: true,
  backoff: true,
  concurrency: true,
  limits: true,
  cost: true,
  priority: true,
  expireAfter: true,
  onExpired: true,
  window: true,
  maxLost: true,
  revalidate: true,
}

/**
 * Refuses options that are not `known`, and a handler that is none.
 * @throws BelfryError `BELFRY_INVALID_OPTION`
 */
export function refuseWrongOptions(options: object, known: Readonly<Record<string, true>>, what: string): void {
  const { type, handler } = options as Partial<Record<'type' | 'handler', unknown>>
  refuseUnknown(options, known, `${what} of ${show(type)}`)
  if (handler === undefined || typeof handler === 'function') return
  throw new BelfryError(
    'BELFRY_INVALID_OPTION',
    `handler of ${show(type)}: expected a function (payload, context) => …, got ${show(handler)}`,
  )
}

/**
 * Turns payloads of earlier versions into this one's: of no other.
 * @throws BelfryError `BELFRY_INVALID_OPTION`
 */
export function requireUpcast(
  { upcast = {}, payloadVersion = 1 }: Pick<CommonJobOptions<unknown>, 'upcast' | 'payloadVersion'>,
  type: string,
): NonNullable<CommonJobOptions<unknown>['upcast']> {
  for (const [version, turn] of Object.entries(upcast)) {
    if (Number(version) >= 1 && Number(version) < payloadVersion && typeof turn === 'function') continue
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `upcast of ${type}: expected functions for versions before ${payloadVersion}, its payloadVersion, got ${show(version)}`,
    )
  }
  return upcast
}

/** @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_DURATION` */
export function requireOnExpired(value: OnExpired, name: string): OnExpired {
  if (value === 'drop' || value === 'run') return value
  if (typeof value === 'object' && value !== null && 'reschedule' in value) {
    return { reschedule: parseSpan(value.reschedule, `${name}.reschedule`) }
  }
  throw new BelfryError(
    'BELFRY_INVALID_OPTION',
    `${name}: expected 'drop', 'run' or { reschedule: '1h' }, got ${show(value)}`,
  )
}
