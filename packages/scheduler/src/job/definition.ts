import { BelfryError, show } from '../errors.ts'
import { resolveWindow, type ResolvedWindow } from './delivery-window.ts'
import { requireAffordable, requireCost, resolveLimits, type ResolvedLimits } from './limits.ts'
import type { Queryable } from '../database/database.ts'
import { requirePriority, requireWhole } from './whole.ts'
import { parseDuration, parseSpan } from '../runtime/duration.ts'
import { requireBackoff, type Backoff } from './backoff.ts'
import type { BatchHandler, BatchOptions, ResolvedBatch } from './batch.ts'
import type { JobContext } from './context.ts'
import {
  COMMON,
  refuseWrongOptions,
  requireOnExpired,
  requireUpcast,
  type CommonJobOptions,
  type OnExpired,
} from './common-options.ts'
import { requireOptions } from './known-names.ts'
import { refuseIsolated } from './isolated-mark.ts'
import { requireJobType } from './job-type.ts'
import type { Revalidate } from './revalidate.ts'
import type { Schema } from './standard-schema.ts'

/** Does the work of one job. What it returns is stored as the job's result (JSON, at most 64 KiB). */
export type JobHandler<Payload, Result = unknown> = (payload: Payload, context: JobContext) => Result | Promise<Result>

/** What durable work would store outlives a rollback, or ends the attempt: it has no place inside a transaction. */
export type DurableFunctions = 'step' | 'sleep' | 'waitForEvent' | 'once' | 'confirmEffect' | 'confirmedEffect'

/** The context of a handler that runs inside the transaction which completes its job. */
export type TransactionalContext = Omit<JobContext, DurableFunctions> & {
  /**
   * The open transaction (READ COMMITTED). What is written through it is there if, and only if, the attempt completed; it
   * may be handed on as the `transaction` of scheduling calls. It answers no more once the attempt is over.
   */
  readonly tx: Queryable
}

/** A handler that runs inside the transaction which completes its job. */
export type TransactionalHandler<Payload, Result = unknown> = (
  payload: Payload,
  context: TransactionalContext,
) => Result | Promise<Result>

/** How a handler is called: by itself, or inside the transaction that completes its job. */
export type HandlerOptions<Payload, Result = unknown> =
  | {
      transactional?: false
      /** Does the work. Leave it out in a process that only schedules. */
      handler?: JobHandler<Payload, Result>
    }
  | {
      /**
       * The handler gets `context.tx`, an open transaction, and its attempt is settled as completed in that transaction: a
       * throw, a timeout, a cancel or a lost lease rolls everything back. Default false.
       */
      transactional: true
      /** Does the work through `context.tx`. Not `isolated`: a transaction cannot go to another thread. */
      handler?: TransactionalHandler<Payload, Result> & { readonly close?: never }
    }

/** What a job type is. Every option has the default named beside it. */
export type JobDefinitionOptions<Payload, Input = Payload, Result = unknown> = CommonJobOptions<Payload, Input> &
  HandlerOptions<Payload, Result>

/** What a job type is whose handler takes many jobs at once. */
export type BatchJobDefinitionOptions<Payload, Input = Payload, Result = unknown> = CommonJobOptions<Payload, Input> &
  BatchOptions & {
    transactional?: never
    /** Does the work of a whole batch. Leave it out in a process that only schedules. Not `isolated`. */
    handler?: BatchHandler<Payload, Result>
  }

/**
 * A job type as the scheduler keeps it: checked, complete, frozen. `Input` is what a caller passes to schedule one,
 * `Result` what its handler answers, for a batch of one job.
 */
export interface JobDefinition<Payload, Input = Payload, Result = unknown> {
  readonly type: string
  readonly payload: Schema<Payload, Input> | undefined
  readonly payloadVersion: number
  readonly upcast: Readonly<Record<number, (payload: unknown) => unknown>>
  readonly handler: JobHandler<Payload, Result> | undefined
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
  readonly window: ResolvedWindow | undefined
  /** The handler runs inside the transaction that completes its job. */
  readonly transactional: boolean
  /** Set for a type whose handler takes many jobs; `handler` is undefined then. */
  readonly batch: ResolvedBatch<Payload> | undefined
  readonly revalidate: Revalidate<Payload> | undefined
}

/**
 * A definition whose payload type is not known here, as a registry of many types holds it. The handler's parameter is
 * `never`: the type system then admits every definition and lets nobody call it without parsing the payload first.
 */
export interface AnyJobDefinition extends Omit<JobDefinition<unknown>, 'handler' | 'payload' | 'batch' | 'revalidate'> {
  readonly payload: Schema | undefined
  readonly handler: JobHandler<never> | undefined
  readonly batch: ResolvedBatch<never> | undefined
  readonly revalidate: Revalidate<never> | undefined
}

/** Whether a value is what `defineJob` or `defineBatchJob` answered. */
export function isDefinition(value: unknown): value is AnyJobDefinition {
  const { type, payloadVersion, timeoutMs } = (value ?? {}) as Partial<Record<keyof AnyJobDefinition, unknown>>
  return typeof type === 'string' && typeof payloadVersion === 'number' && typeof timeoutMs === 'number'
}

/** Whether this process runs jobs of the type. */
export function isHandled({ handler, batch }: Pick<AnyJobDefinition, 'handler' | 'batch'>): boolean {
  return handler !== undefined || batch?.handler !== undefined
}

/** 15 minutes: longer than honest work inside a service, short enough to notice a hang the same hour. */
const DEFAULT_TIMEOUT_MS = 15 * 60_000
const DEFAULT_MAX_LOST = 3
const DEFAULT_BATCH_SIZE = 100
/** Rows of one claim. */
const LARGEST_BATCH = 1_000
const LONGEST_BATCH_WAIT_MS = 10_000

/**
 * Defines a job type once: its name, its payload's shape, how it fails, and (in processes that run it) its handler.
 * Nothing happens until a scheduler uses it.
 * @throws BelfryError `BELFRY_INVALID_JOB_TYPE`, `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_DURATION`,
 *   `BELFRY_COST_EXCEEDS_BUDGET`
 */
export function defineJob<Payload = unknown, Input = Payload, Result = unknown>(
  options: JobDefinitionOptions<Payload, Input, Result>,
): JobDefinition<Payload, Input, Result> {
  refuseMixture(requireOptions(options, 'defineJob'))
  refuseWrongOptions(options, { ...COMMON, transactional: true }, 'defineJob')
  if (options.transactional) refuseIsolated(options.handler, `${options.type} is transactional`)
  return Object.freeze({
    ...define(options),
    handler: options.handler as JobHandler<Payload, Result> | undefined,
    transactional: options.transactional ?? false,
    batch: undefined,
  })
}

/**
 * Defines a job type whose handler takes many jobs in one call, each with an outcome, retries and history of its own.
 * What `defineJob` says of options holds here too.
 * @throws BelfryError as `defineJob` does
 */
export function defineBatchJob<Payload = unknown, Input = Payload, Result = unknown>(
  options: BatchJobDefinitionOptions<Payload, Input, Result>,
): JobDefinition<Payload, Input, Exclude<Result, Error>> {
  const { type } = requireOptions(options, 'defineBatchJob')
  if (options.transactional !== undefined) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `transactional of ${show(type)}: expected none for a batch, got ${show(options.transactional)}. ` +
        'One failed job would roll back the others: use defineJob, or a transaction of your own in the handler.',
    )
  }
  refuseWrongOptions(options, { ...COMMON, size: true, wait: true }, 'defineBatchJob')
  refuseIsolated(options.handler, `${type} is a batch`)
  const size = requireWhole(options.size, { name: `size of ${type}`, least: 1 }) ?? DEFAULT_BATCH_SIZE
  if (size > LARGEST_BATCH) {
    throw new BelfryError('BELFRY_INVALID_OPTION', `size of ${type}: expected 1 to ${LARGEST_BATCH}, got ${size}`)
  }
  const waitMs = options.wait === undefined ? 0 : parseDuration(options.wait, `wait of ${type}`)
  if (waitMs > LONGEST_BATCH_WAIT_MS) {
    throw new BelfryError('BELFRY_INVALID_OPTION', `wait of ${type}: expected at most 10 s, got ${show(options.wait)}`)
  }
  const common = define(options)
  return Object.freeze({
    ...common,
    concurrency: common.concurrency ?? 1,
    handler: undefined,
    transactional: false,
    batch: Object.freeze({ size, waitMs, handler: options.handler }),
  })
}

/** Options of a batch that found their way into `defineJob`. */
function refuseMixture(options: object): void {
  for (const name of ['size', 'wait', 'batch']) {
    if (!(name in options)) continue
    throw new BelfryError('BELFRY_INVALID_OPTION', `${name}: expected in defineBatchJob, got it in defineJob`)
  }
  if ('transactional' in options && typeof (options.transactional ?? false) !== 'boolean') {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `transactional: expected true or false, got ${show(options.transactional)}`,
    )
  }
}

function define<Payload, Input>(
  options: CommonJobOptions<Payload, Input>,
): Omit<JobDefinition<Payload, Input>, 'handler' | 'transactional' | 'batch'> {
  const type = requireJobType(options.type)
  if (options.revalidate !== undefined && typeof options.revalidate !== 'function') {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `revalidate of ${type}: expected a function (payload, context) => …, got ${show(options.revalidate)}`,
    )
  }
  const whole = (name: 'maxRetries' | 'concurrency' | 'maxLost' | 'payloadVersion', least: number) =>
    requireWhole(options[name], { name: `${name} of ${type}`, least })
  const limits = options.limits === undefined ? undefined : resolveLimits(options.limits, `limits of ${type}`)
  const cost = requireCost(options.cost, `cost of ${type}`)
  requireAffordable({ type, limits }, cost)
  return {
    type,
    payload: options.payload,
    payloadVersion: whole('payloadVersion', 1) ?? 1,
    upcast: requireUpcast(options, type),
    maxRetries: whole('maxRetries', 0),
    timeoutMs: options.timeout === undefined ? DEFAULT_TIMEOUT_MS : parseSpan(options.timeout, `timeout of ${type}`),
    backoff: requireBackoff(options.backoff ?? {}, `backoff of ${type}`),
    concurrency: whole('concurrency', 1),
    maxLost: whole('maxLost', 1) ?? DEFAULT_MAX_LOST,
    limits,
    cost,
    priority: requirePriority(options.priority, `priority of ${type}`) ?? 0,
    expireAfterMs:
      options.expireAfter === undefined ? undefined : parseSpan(options.expireAfter, `expireAfter of ${type}`),
    window: options.window === undefined ? undefined : resolveWindow(options.window, `window of ${type}`),
    onExpired: requireOnExpired(options.onExpired ?? 'drop', `onExpired of ${type}`),
    revalidate: options.revalidate,
  }
}
