import { databaseNow, type Core } from './core.ts'
import type { JobStatus } from './job/job.ts'
import { describeSkew, isSkewed, type ClockSkew } from './runtime/clock-skew.ts'
import type { ProcessLoad } from './runtime/process-meter.ts'
import { listRunners, type RunnerRow } from './store/list-runners.ts'
import { measureFinished, type FinishedMeasure } from './store/measure-finished.ts'
import { measureLive, type LiveMeasure } from './store/measure-live.ts'
import { readDatabaseHealth, type DatabaseHealth } from './store/table-health.ts'

/** One process that runs jobs. */
export interface RunnerInfo {
  readonly runnerId: string
  readonly host: string
  readonly processId: number
  readonly version: string
  readonly jobTypes: readonly string[]
  /** Jobs it was running at its last heartbeat. */
  readonly running: number
  /** Those of them whose time is up and whose handler runs on: it does not obey its signal. */
  readonly overrun: number
  /** Its lease has not run out. */
  readonly alive: boolean
  readonly heartbeatAt: Date
  /** What its process cost at its last heartbeat. */
  readonly load: ProcessLoad
  /** How wrong its clock is, by the database's, as of the heartbeat before its last one; null before its first one. */
  readonly clockSkew: ClockSkew | null
  readonly startedAt: Date
}

/** Jobs of one type by status. */
export interface TypeStats {
  readonly jobType: string
  readonly counts: Readonly<Record<JobStatus, number>>
  /** A living runner has a handler for it; without one its jobs wait. */
  readonly handled: boolean
  /** How long its oldest due job has been waiting, in ms; null when none is due. */
  readonly oldestDueMs: number | null
}

/** One of the tables that jobs go through. */
export interface TableHealth {
  readonly name: string
  /** Rows as PostgreSQL last estimated them. */
  readonly liveRows: number
  /** Rows that are gone and whose room was not given back yet. */
  readonly deadRows: number
  /** On disk, with indexes. */
  readonly bytes: number
  /** Since the last vacuum, in ms; null: never. */
  readonly vacuumedMsAgo: number | null
}

/** What `getStats` answers. */
export interface SchedulerStats {
  readonly counts: Readonly<Record<JobStatus, number>>
  readonly types: readonly TypeStats[]
  /**
   * True: every figure was counted. False: there are so many finished jobs (from some 100,000 on) that `completed`,
   * `executions24h` and `successRate24h` were estimated from a sample; a type of few jobs may then be missing.
   */
  readonly exact: boolean
  /** Jobs that are due and wait for a runner. */
  readonly due: number
  /** How long the oldest of them has been waiting, in ms; null when none is due. */
  readonly oldestDueMs: number | null
  /** Milliseconds until the next pending job is due; null when there is none. */
  readonly nextDueMs: number | null
  /** Attempts begun in the last 24 hours, and the share of them that completed (0 to 1; null when there were none). */
  readonly executions24h: number
  readonly successRate24h: number | null
  readonly runners: readonly RunnerInfo[]
  readonly tables: readonly TableHealth[]
  /** How long the oldest open transaction has been open, in ms; null when there is none. */
  readonly oldestTransactionMs: number | null
  /** What somebody should look at, in plain words. Empty: all is well. */
  readonly warnings: readonly string[]
}

/** A process that nearly lost its jobs, or did, because it did not get round to its heartbeat. */
export interface BlockedRunner {
  readonly host: string
  readonly processId: number
  readonly blockedMs: number
  readonly leaseMs: number
}

/** What warnings are made of. */
export type HealthFacts = Pick<SchedulerStats, 'tables' | 'oldestTransactionMs' | 'types' | 'runners'> & {
  /** Living processes whose event loop stood still for longer than the pause between two heartbeats. */
  readonly blocked: readonly BlockedRunner[]
  /** The database vacuums by itself once a minute (a server), or the scheduler does hourly (embedded). */
  readonly autovacuum: boolean
}

/** Fewer dead rows than this cost nothing worth a word: some 5 MB. */
const FEW_DEAD_ROWS = 10_000
/** Dead rows per living one. Autovacuum acts at 0.2 by default: at 1 it is off, or it does not keep up. */
const MOST_DEAD_PER_LIVE = 1
/** Autovacuum looks every minute by default; ten looks without one are no accident. */
const AUTOVACUUM_LATE_MS = 10 * 60_000
/** The scheduler vacuums an embedded database hourly. */
const EMBEDDED_VACUUM_LATE_MS = 2 * 3_600_000
/** No statement of ours takes a second; after five minutes somebody forgot to commit. */
const LONG_TRANSACTION_MS = 5 * 60_000

/** A process that restarts is back by then. */
const UNHANDLED_MS = 60_000
/** More types than this are counted, not named. */
const NAMED_TYPES = 10

const STATUSES: readonly JobStatus[] = ['pending', 'running', 'completed', 'failed', 'cancelled']

/** Reads the state of a schema's jobs, runners and tables. */
export async function readStats(core: Core): Promise<SchedulerStats> {
  const { database, tables } = core
  const now = databaseNow(core)
  const live = await measureLive(database, tables, now)
  const finished = await measureFinished(database, tables, now)
  const registered = await listRunners(database, tables, now)
  const runners = registered.map(runnerOf)
  const health = healthOf(await readDatabaseHealth(database, tables))
  const types = typesOf(live, finished, new Set(runners.filter(each => each.alive).flatMap(each => each.jobTypes)))
  const { executions, completed } = finished.recent
  return {
    counts: countsBy(status => sum(types.map(type => type.counts[status]))),
    types,
    exact: finished.exact,
    due: sum(live.map(each => each.due)),
    oldestDueMs: extreme(
      Math.max,
      live.map(each => each.oldest_due_ms),
    ),
    nextDueMs: extreme(
      Math.min,
      live.map(each => each.next_due_ms),
    ),
    executions24h: executions,
    successRate24h: executions === 0 ? null : completed / executions,
    runners,
    ...health,
    warnings: warningsOf({
      ...health,
      types,
      runners,
      blocked: blockedRunners(registered),
      autovacuum: database.kind === 'server',
    }),
  }
}

/** What somebody should look at, in plain words. Pure. */
export function warningsOf({
  tables,
  oldestTransactionMs,
  types,
  runners,
  blocked,
  autovacuum,
}: HealthFacts): string[] {
  const late = autovacuum ? AUTOVACUUM_LATE_MS : EMBEDDED_VACUUM_LATE_MS
  const dirty = tables.filter(
    ({ deadRows, liveRows, vacuumedMsAgo }) =>
      deadRows > FEW_DEAD_ROWS && deadRows > liveRows * MOST_DEAD_PER_LIVE && (vacuumedMsAgo ?? late + 1) > late,
  )
  const waiting = types.filter(type => !type.handled && (type.oldestDueMs ?? 0) > UNHANDLED_MS)
  return [
    ...dirty.map(
      ({ name, deadRows, liveRows, vacuumedMsAgo }) =>
        `${name} holds ${deadRows} dead rows beside ${liveRows} living ones and was ` +
        `${vacuumedMsAgo === null ? 'never vacuumed' : `vacuumed ${minutes(vacuumedMsAgo)} ago`}: claims get slow. ` +
        `Look whether autovacuum is on, or run: vacuum ${name}`,
    ),
    ...(oldestTransactionMs !== null && oldestTransactionMs > LONG_TRANSACTION_MS
      ? [
          `A transaction has been open for ${minutes(oldestTransactionMs)}: until it ends no dead row that is younger ` +
            'can be removed, and the tables grow. Find it in pg_stat_activity (or pg_prepared_xacts) and end it.',
        ]
      : []),
    ...blocked.map(
      ({ host, processId, blockedMs, leaseMs }) =>
        `The event loop of process ${processId} on ${host} stood still for ${(blockedMs / 1_000).toFixed(1)} s within the ` +
        `last five minutes, with a lease of ${leaseMs / 1_000} s: if that gets longer, other processes take its jobs and ` +
        'run them again. Find the handler that computes without a pause and make it `isolated(…)`, or set a longer lease.',
    ),
    ...runners.flatMap(runner => clockWarning(runner)),
    ...waiting
      .slice(0, NAMED_TYPES)
      .map(
        type =>
          `Jobs of type ${type.jobType} are due and no living process has a handler for them; the oldest has been ` +
          `waiting for ${minutes(type.oldestDueMs ?? 0)}.`,
      ),
    ...(waiting.length > NAMED_TYPES ? [`So are jobs of ${waiting.length - NAMED_TYPES} further types.`] : []),
  ]
}

function clockWarning({ alive, clockSkew, processId, host }: RunnerInfo): string[] {
  if (!alive || !clockSkew || !isSkewed(clockSkew)) return []
  return [
    `The clock of process ${processId} on ${host} is ${describeSkew(clockSkew)} the database's: times that its code makes ` +
      'and its log lines are that wrong. Set it right (NTP); dueness, leases and schedules are not touched.',
  ]
}

function runnerOf(row: RunnerRow): RunnerInfo {
  return {
    runnerId: row.runner_id,
    host: row.host,
    processId: row.process_id,
    version: row.version,
    jobTypes: row.job_types,
    running: row.running,
    overrun: row.overrun,
    alive: row.alive,
    heartbeatAt: new Date(row.heartbeat_ms),
    load: {
      cpuShare: row.cpu_share,
      memoryBytes: row.memory_bytes,
      eventLoopDelayMs: row.loop_delay_ms,
      eventLoopBlockedMs: row.loop_blocked_ms,
    },
    clockSkew:
      row.clock_skew_ms === null || row.clock_error_ms === null
        ? null
        : { skewMs: row.clock_skew_ms, errorMs: row.clock_error_ms },
    startedAt: new Date(row.started_ms),
  }
}

/** A heartbeat is due at each third of the lease. */
function blockedRunners(rows: readonly RunnerRow[]): readonly BlockedRunner[] {
  return rows
    .filter(({ alive, loop_blocked_ms: ms, lease_ms: lease }) => alive && (ms ?? 0) > (lease ?? Infinity) / 3)
    .map(row => ({
      host: row.host,
      processId: row.process_id,
      blockedMs: row.loop_blocked_ms ?? 0,
      leaseMs: row.lease_ms ?? 0,
    }))
}

function healthOf(health: DatabaseHealth): Pick<SchedulerStats, 'tables' | 'oldestTransactionMs'> {
  return {
    tables: health.tables.map(row => ({
      name: row.name,
      liveRows: row.live,
      deadRows: row.dead,
      bytes: row.bytes,
      vacuumedMsAgo: row.vacuum_ms,
    })),
    oldestTransactionMs: health.oldest_transaction_ms,
  }
}

function typesOf(
  live: readonly LiveMeasure[],
  finished: FinishedMeasure,
  handled: ReadonlySet<string>,
): readonly TypeStats[] {
  const names = new Set([...live.map(each => each.job_type), ...finished.counts.map(each => each.job_type)])
  return [...names].toSorted().map(jobType => {
    const unfinished = live.find(each => each.job_type === jobType)
    const ended = finished.counts.filter(each => each.job_type === jobType)
    return {
      jobType,
      counts: {
        ...countsBy(status => sum(ended.filter(each => each.status === status).map(each => each.count))),
        pending: unfinished?.pending ?? 0,
        running: unfinished?.running ?? 0,
      },
      handled: handled.has(jobType),
      oldestDueMs: unfinished?.oldest_due_ms ?? null,
    }
  })
}

function countsBy(count: (status: JobStatus) => number): Readonly<Record<JobStatus, number>> {
  return Object.fromEntries(STATUSES.map(status => [status, count(status)])) as Record<JobStatus, number>
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

function extreme(pick: (...numbers: number[]) => number, values: readonly (number | null)[]): number | null {
  const known = values.filter(each => each !== null)
  return known.length > 0 ? known.reduce((a, b) => pick(a, b)) : null
}

function minutes(ms: number): string {
  return ms < 60_000 ? `${Math.round(ms / 1_000)} s` : `${Math.round(ms / 60_000)} min`
}
