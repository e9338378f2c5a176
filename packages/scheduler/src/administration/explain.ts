import { databaseNow, type Core } from '../core.ts'
import { readJobFacts, type JobFactsRow } from '../store/job-facts.ts'
import { explainJob, type Explanation } from './explanation.ts'
import type { Hindrance } from './hindrance.ts'

/** Reads the facts of one moment in one statement and explains them. Undefined when there is no such job. */
export async function explain(core: Core, jobId: string): Promise<Explanation | undefined> {
  const row = await readJobFacts(core.database, core.tables, { jobId, now: databaseNow(core) })
  if (!row) return undefined
  const timeoutMs = row.timeout_ms ?? core.registry.find(row.job_type)?.timeoutMs ?? null
  return explainJob({ ...factsOf(row), timeoutMs, flow: NO_FLOW })
}

/** Nothing but time, handlers and leases decides yet. */
const NO_FLOW: readonly Hindrance[] = []

function factsOf(row: JobFactsRow) {
  const { runner_id: runnerId, host, process_id: processId, lease_ms: leaseMs } = row
  const known = runnerId !== null && host !== null && processId !== null && leaseMs !== null
  return {
    now: new Date(row.now_ms),
    jobId: row.job_id,
    jobType: row.job_type,
    status: row.status,
    held: row.held,
    waitsForOther: row.waits_for_other,
    due: new Date(row.due_ms),
    startedAt: dateOf(row.started_ms),
    completedAt: dateOf(row.completed_ms),
    expiresAt: dateOf(row.expires_ms),
    retryCount: row.retry_count,
    maxRetries: row.max_retries,
    lastOutcome: row.last_outcome,
    error: row.error_message,
    cancelRequested: row.cancel_requested,
    lane: row.lane,
    runnerId,
    holder: known ? { runnerId, host, processId, leaseUntil: new Date(leaseMs) } : null,
    runners: row.runners.map(each => ({
      runnerId: each.runner_id,
      host: each.host,
      processId: each.process_id,
      handles: each.handles,
    })),
    laneJobs: row.lane_jobs,
  }
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms)
}
