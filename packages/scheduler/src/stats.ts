import { databaseNow, type Core } from './core.ts'
import type { JobStatus } from './job/job.ts'
import { countJobs, measureActivity } from './store/count-jobs.ts'
import { listRunners } from './store/list-runners.ts'

/** One process that runs jobs. */
export interface RunnerInfo {
  readonly runnerId: string
  readonly host: string
  readonly processId: number
  readonly version: string
  readonly jobTypes: readonly string[]
  /** Jobs it was running at its last heartbeat. */
  readonly running: number
  /** Its lease has not run out. */
  readonly alive: boolean
  readonly heartbeatAt: Date
  readonly startedAt: Date
}

/** Jobs of one type by status. */
export interface TypeStats {
  readonly jobType: string
  readonly counts: Readonly<Record<JobStatus, number>>
  /** A living runner has a handler for it; without one its jobs wait. */
  readonly handled: boolean
}

/** What `getStats` answers. */
export interface SchedulerStats {
  readonly counts: Readonly<Record<JobStatus, number>>
  readonly types: readonly TypeStats[]
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
}

const NONE: Readonly<Record<JobStatus, number>> = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }

/** Reads the state of a schema's jobs and runners. */
export async function readStats(core: Core): Promise<SchedulerStats> {
  const { database, tables } = core
  const now = databaseNow(core)
  const jobCounts = await countJobs(database, tables)
  const activity = await measureActivity(database, tables, now)
  const runners = (await listRunners(database, tables, now)).map(row => ({
    runnerId: row.runner_id,
    host: row.host,
    processId: row.process_id,
    version: row.version,
    jobTypes: row.job_types,
    running: row.running,
    alive: row.alive,
    heartbeatAt: new Date(row.heartbeat_ms),
    startedAt: new Date(row.started_ms),
  }))
  const handled = new Set(runners.filter(runner => runner.alive).flatMap(runner => runner.jobTypes))
  const types = [...new Set(jobCounts.map(row => row.job_type))]
  const countsOf = (rows: typeof jobCounts) =>
    rows.reduce((sum, row) => ({ ...sum, [row.status]: sum[row.status] + row.count }), NONE)
  return {
    counts: countsOf(jobCounts),
    types: types.map(jobType => ({
      jobType,
      counts: countsOf(jobCounts.filter(row => row.job_type === jobType)),
      handled: handled.has(jobType),
    })),
    due: activity.due,
    oldestDueMs: activity.oldest_due_ms,
    nextDueMs: activity.next_due_ms,
    executions24h: activity.executions,
    successRate24h: activity.executions === 0 ? null : activity.completed / activity.executions,
    runners,
  }
}
