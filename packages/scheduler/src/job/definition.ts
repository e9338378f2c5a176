import { BelfryError, show } from '../errors.ts'
import { requireAffordable, requireCost, resolveLimits, type Limits, type ResolvedLimits } from './limits.ts'
import { requirePriority, requireWhole } from './whole.ts'
import { parseDuration, type Duration } from '../runtime/duration.ts'
import { requireBackoff, type Backoff } from './backoff.ts'
import type { JobContext } from './context.ts'
import { requireJobType } from './job-type.ts'
import type { Schema } from './standard-schema.ts'

/** Does the work of one job. What it returns is stored as the job's result (JSON, at most 64 KiB). */
export type JobHandler<Payload> = (payload: Payload, context: JobContext) => unknown

/** What a job type is. Every option has the default named beside it. */
export interface JobDefinitionOptions<Payload, Input = Payload> {
  /** Stored with each job; never rename it in place. */
  type: string
  /** Any Standard Schema (zod, valibot, …). Checked when a job is scheduled and again when it runs. Default: anything. */
  payload?: Schema<Payload, Input>
  /** The payload's version; raise it when its shape changes and say in `upcast` how old rows are read. Default 1. */
  payloadVersion?: number
  /** By version: turns a payload of that version into the next one's shape. */
  upcast?: Readonly<Record<number, (payload: unknown) => unknown>>
  /** Does the work. Leave it out in a process that only schedules. */
  handler?: JobHandler<Payload>
  /** Retries after the first failed attempt. Default 3. */
  maxRetries?: number
  /** Longest run of one attempt. Default 15 minutes. */
  timeout?: Duration
  /** Pause before each retry. Default: 5 min, 10 min, 20 min … up to an hour, ±10 %. */
  backoff?: Backoff
  /** Jobs of this type that run at the same time in one process. Default: the scheduler's concurrency. */
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
  /** Crashes of a process in mid-job before the job is given up as `lost`. Default 3. */
  maxLost?: number
}

/** What becomes of a job that could not start in time. A job put off gets a new deadline as far from its new due time. */
export type OnExpired = 'drop' | 'run' | { readonly reschedule: Duration }

/** A job type as the scheduler keeps it: checked, complete, frozen. `Input` is what a caller passes to schedule one. */
export interface JobDefinition<Payload, Input = Payload> {
  readonly type: string
  readonly payload: Schema<Payload, Input> | undefined
  readonly payloadVersion: number
  readonly upcast: Readonly<Record<number, (payload: unknown) => unknown>>
  readonly handler: JobHandler<Payload> | undefined
  readonly maxRetries: number | undefined
  readonly timeoutMs: number
  readonly backoff: Backoff
  readonly concurrency: number | undefined
  readonly maxLost: number
  readonly limits: ResolvedLimits | undefined
  readonly cost: number | undefined
  readonly priority: number
  readonly expireAfterMs: number | undefined
  readonly onExpired: OnExpired
}

/**
 * A definition whose payload type is not known here, as a registry of many types holds it. The handler's parameter is
 * `never`: the type system then admits every definition and lets nobody call it without parsing the payload first.
 */
export interface AnyJobDefinition extends Omit<JobDefinition<unknown>, 'handler' | 'payload'> {
  readonly payload: Schema | undefined
  readonly handler: JobHandler<never> | undefined
}

/** 15 minutes: longer than honest work inside a service, short enough to notice a hang the same hour. */
const DEFAULT_TIMEOUT_MS = 15 * 60_000
const DEFAULT_MAX_LOST = 3

/**
 * Defines a job type once: its name, its payload's shape, how it fails, and (in processes that run it) its handler.
 * Nothing happens until a scheduler uses it.
 * @throws BelfryError `BELFRY_INVALID_JOB_TYPE`, `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_DURATION`,
 *   `BELFRY_COST_EXCEEDS_BUDGET`
 */
export function defineJob<Payload = unknown, Input = Payload>(
  options: JobDefinitionOptions<Payload, Input>,
): JobDefinition<Payload, Input> {
  const type = requireJobType(options.type)
  const whole = (name: 'maxRetries' | 'concurrency' | 'maxLost' | 'payloadVersion', least: number) =>
    requireWhole(options[name], { name: `${name} of ${type}`, least })
  const limits = options.limits === undefined ? undefined : resolveLimits(options.limits, `limits of ${type}`)
  const cost = requireCost(options.cost, `cost of ${type}`)
  requireAffordable({ type, limits }, cost)
  return Object.freeze({
    type,
    payload: options.payload,
    payloadVersion: whole('payloadVersion', 1) ?? 1,
    upcast: options.upcast ?? {},
    handler: options.handler,
    maxRetries: whole('maxRetries', 0),
    timeoutMs:
      options.timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDuration(options.timeout, `timeout of ${type}`),
    backoff: requireBackoff(options.backoff ?? {}, `backoff of ${type}`),
    concurrency: whole('concurrency', 1),
    maxLost: whole('maxLost', 1) ?? DEFAULT_MAX_LOST,
    limits,
    cost,
    priority: requirePriority(options.priority, `priority of ${type}`) ?? 0,
    expireAfterMs:
      options.expireAfter === undefined ? undefined : parseDuration(options.expireAfter, `expireAfter of ${type}`),
    onExpired: requireOnExpired(options.onExpired ?? 'drop', `onExpired of ${type}`),
  })
}

function requireOnExpired(value: OnExpired, name: string): OnExpired {
  if (value === 'drop' || value === 'run') return value
  if (typeof value === 'object' && value !== null && 'reschedule' in value) {
    return { reschedule: parseDuration(value.reschedule, `${name}.reschedule`) }
  }
  throw new BelfryError(
    'BELFRY_INVALID_OPTION',
    `${name}: expected 'drop', 'run' or { reschedule: '1h' }, got ${show(value)}`,
  )
}
