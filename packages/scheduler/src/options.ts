import { BelfryError, show } from './errors.ts'
import type { Database } from './database/database.ts'
import type { AnyJobDefinition } from './job/definition.ts'
import { refuseUnknown, type KnownNames } from './job/known-names.ts'
import { jobIdSource } from './job/job-id.ts'
import { requireWhole } from './job/whole.ts'
import {
  compose,
  type Chain,
  type ExecutionCall,
  type ExecutionMiddleware,
  type Middleware,
  type SchedulingCall,
  type SchedulingMiddleware,
  type StoredJob,
} from './job/middleware.ts'
import type { PayloadCipher } from './job/payload-cipher.ts'
import { DEFAULT_MAX_PAYLOAD_BYTES } from './job/payload.ts'
import { systemClock, type Clock } from './runtime/clock.ts'
import { parseDuration, parseSpan, type Duration } from './runtime/duration.ts'
import { silentLogger, type Logger } from './runtime/logger.ts'
import { NodeProcessMeter, noMeter, type ProcessMeter } from './runtime/process-meter.ts'

/** Options of a scheduler's engine. Only `database` is needed. */
export interface EngineOptions {
  /** From `fromPool(pool)`, `fromPostgresJs(sql)` or `fromPglite(pglite)`. The connection behind it stays the caller's. */
  database: Database
  /** The job types this process knows. More can be added with `registerHandler`. */
  jobs?: readonly AnyJobDefinition[]
  /** PostgreSQL schema of the tables. Default `belfry`. */
  schema?: string
  /** Whether `start()` brings the schema up to date. Default true. */
  migrate?: boolean
  /** Jobs that run at the same time in this process. Default 100: handlers that wait for the network, not the CPU. */
  concurrency?: number
  /** Longest pause between looks for due jobs; hints and timers make it prompt, this is the floor. Default 30 s. */
  pollInterval?: Duration
  /** How long a silent runner keeps its jobs; renewed at a third of it. From 1 s up, default 30 s. */
  lease?: Duration
  /** How long `stop()` lets running jobs finish before it aborts them. Default 10 s. */
  gracePeriod?: Duration
  /** How long finished jobs and attempts are kept. */
  retention?: {
    /** Default 7 days. */
    completed?: Duration
    /** Default 30 days. */
    failed?: Duration
    /** Default 7 days. */
    cancelled?: Duration
    /** Rows of `job_execution_history`. Default 30 days. */
    history?: Duration
  }
  /** Encrypts payloads at rest: `payloadCipher({ keys, current })`. Default: stored as they are. */
  payloadCipher?: PayloadCipher
  /** Code around every scheduling call and every attempt of this process, the first outermost. Default: none. */
  middleware?: {
    scheduling?: readonly SchedulingMiddleware[]
    execution?: readonly ExecutionMiddleware[]
  }
  /** Largest payload as JSON, in bytes. Default 65,536. */
  maxPayloadBytes?: number
  /** Default: silent. Any pino-shaped logger. */
  logger?: Logger
  /** Default: real time. Tests pass `belfry/testing`'s TestClock. */
  clock?: Clock
  /** Reads what this process costs, for the registry of runners. Default: Node's figures; under a virtual clock, none. */
  processMeter?: ProcessMeter
  /** Source of jitter, a number from 0 up to 1. Default `Math.random`. */
  random?: () => number
  /** Makes the id of a job that is given none; two must never be the same. Default: UUIDs version 7, in order. */
  newJobId?: (now: Date) => string
}

/** Options with every default in place, durations in milliseconds. */
export interface ResolvedOptions {
  readonly database: Database
  readonly schema: string
  readonly migrate: boolean
  readonly concurrency: number
  readonly pollIntervalMs: number
  readonly leaseMs: number
  readonly gracePeriodMs: number
  readonly retention: Readonly<Record<'completed' | 'failed' | 'cancelled' | 'history', number>>
  readonly payloadCipher: PayloadCipher | undefined
  /** Undefined where there is none: the common case makes no call objects for nobody. */
  readonly aroundScheduling: Chain<SchedulingCall, readonly StoredJob[]> | undefined
  readonly aroundExecution: Chain<ExecutionCall, unknown> | undefined
  readonly maxPayloadBytes: number
  readonly logger: Logger
  readonly clock: Clock
  readonly processMeter: ProcessMeter
  readonly random: () => number
  readonly newJobId: (now: Date) => string
}

const OPTIONS: KnownNames<EngineOptions & { schedules: unknown; removeOtherSchedules: unknown }> = {
  database: true,
  jobs: true,
  schedules: true,
  removeOtherSchedules: true,
  schema: true,
  migrate: true,
  concurrency: true,
  pollInterval: true,
  lease: true,
  gracePeriod: true,
  retention: true,
  payloadCipher: true,
  middleware: true,
  maxPayloadBytes: true,
  logger: true,
  clock: true,
  processMeter: true,
  random: true,
  newJobId: true,
}
const RETENTION: KnownNames<NonNullable<EngineOptions['retention']>> = {
  completed: true,
  failed: true,
  cancelled: true,
  history: true,
}
const MIDDLEWARE: KnownNames<NonNullable<EngineOptions['middleware']>> = { scheduling: true, execution: true }

const DEFAULT_CONCURRENCY = 100
const DAY_MS = 86_400_000
/** Below a second, a busy event loop alone would look like a crash. */
const SHORTEST_LEASE_MS = 1_000

/**
 * Checks options and fills in defaults, once; what comes back is frozen.
 * @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_DURATION`
 */
export function resolveOptions(options: EngineOptions): ResolvedOptions {
  if (typeof options?.database?.transaction !== 'function') {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `database: expected a handle made by fromPool(pool) or fromPglite(pglite), got ${show(options?.database)}`,
    )
  }
  refuseUnknown(options, OPTIONS, 'options of the scheduler')
  const kept = options.retention ?? {}
  refuseUnknown(kept, RETENTION, 'retention')
  refuseUnknown(options.middleware ?? {}, MIDDLEWARE, 'middleware')
  const clock = options.clock ?? systemClock
  const leaseMs = parseDuration(options.lease ?? '30s', 'lease')
  if (leaseMs < SHORTEST_LEASE_MS) {
    throw new BelfryError('BELFRY_INVALID_OPTION', `lease: expected 1 s or more, got ${show(options.lease)}`)
  }
  const pollIntervalMs = parseSpan(options.pollInterval ?? '30s', 'pollInterval')
  return Object.freeze({
    database: options.database,
    schema: options.schema ?? 'belfry',
    migrate: options.migrate ?? true,
    concurrency: requireWhole(options.concurrency, { name: 'concurrency', least: 1 }) ?? DEFAULT_CONCURRENCY,
    pollIntervalMs,
    leaseMs,
    gracePeriodMs: parseDuration(options.gracePeriod ?? '10s', 'gracePeriod'),
    retention: Object.freeze({
      completed: parseDuration(kept.completed ?? 7 * DAY_MS, 'retention.completed'),
      failed: parseDuration(kept.failed ?? 30 * DAY_MS, 'retention.failed'),
      cancelled: parseDuration(kept.cancelled ?? 7 * DAY_MS, 'retention.cancelled'),
      history: parseDuration(kept.history ?? 30 * DAY_MS, 'retention.history'),
    }),
    payloadCipher: options.payloadCipher,
    aroundScheduling: chainOf(options.middleware?.scheduling),
    aroundExecution: chainOf(options.middleware?.execution),
    maxPayloadBytes:
      requireWhole(options.maxPayloadBytes, { name: 'maxPayloadBytes', least: 2 }) ?? DEFAULT_MAX_PAYLOAD_BYTES,
    logger: options.logger ?? silentLogger,
    clock,
    processMeter: options.processMeter ?? (clock.databaseNow() === null ? new NodeProcessMeter() : noMeter),
    random: options.random ?? Math.random,
    newJobId: options.newJobId ?? jobIdSource(),
  })
}

function chainOf<Call, Result>(list: readonly Middleware<Call, Result>[] = []): Chain<Call, Result> | undefined {
  return list.length > 0 ? compose(list) : undefined
}
