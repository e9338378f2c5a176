import { databaseNow, type Core } from '../core.ts'
import { DEFAULT_COST, stateOf } from '../flow/lane-state.ts'
import { wantedTime, windowFor } from '../job/delivery.ts'
import { nextOpening, placeInWindow } from '../job/delivery-window.ts'
import { readFlow } from '../store/flow-facts.ts'
import { openDependencies } from '../store/read-dependencies.ts'
import { readJobFacts, type JobFactsRow } from '../store/job-facts.ts'
import { dependencyHindrance } from './dependency-hindrance.ts'
import { explainJob, type Explanation, type JobFacts } from './explanation.ts'
import { flowHindrances } from './flow-hindrances.ts'
import type { Hindrance } from './hindrance.ts'

/** Reads the facts of one moment in one statement and explains them. Undefined when there is no such job. */
export async function explain(core: Core, jobId: string): Promise<Explanation | undefined> {
  const row = await readJobFacts(core.database, core.tables, { jobId, now: databaseNow(core) })
  if (!row) return undefined
  const timeoutMs = row.timeout_ms ?? core.registry.find(row.job_type)?.timeoutMs ?? null
  const waits = row.completed_ms === null && !row.held
  const facts = { ...factsOf(row), timeoutMs, window: waits ? windowOf(core, row) : null }
  const flow = waits ? [...(await dependenciesOf(core, row)), ...(await flowOf(core, row))] : []
  return explainJob({ ...facts, flow })
}

/** Open dependencies that a sentence names. */
const NAMED_DEPENDENCIES = 10

/** The jobs it waits for. */
async function dependenciesOf({ database, tables }: Core, row: JobFactsRow): Promise<Hindrance[]> {
  if (!row.waits_for_other) return []
  const request = { childId: row.job_id, limit: NAMED_DEPENDENCIES }
  return dependencyHindrance(await openDependencies(database, tables, request))
}

/** What flow control puts in a waiting job's way. */
async function flowOf(core: Core, row: JobFactsRow): Promise<Hindrance[]> {
  const { job_type: jobType, lane, now_ms: nowMs, weight } = row
  const flow = await readFlow(core.database, core.tables, { jobType, lane, now: databaseNow(core) })
  const laneFacts = (each: typeof flow.type) => ({ ...each, ...stateOf(each), pausedUntilMs: each.paused_until_ms })
  return flowHindrances({
    nowMs,
    jobType,
    lane,
    weight,
    cost: row.cost ?? core.registry.find(jobType)?.cost ?? DEFAULT_COST,
    pauses: flow.pauses.map(pause => ({ jobType: pause.job_type, lane: pause.lane, reason: pause.reason })),
    limits: flow.limits ?? core.registry.find(jobType)?.limits,
    type: laneFacts(flow.type),
    key: laneFacts(flow.key),
  })
}

/** Whether its delivery window has put a waiting job off, or will when a runner takes it. */
function windowOf(core: Core, row: JobFactsRow): JobFacts['window'] {
  const { due_ms: due, now_ms: now, delivery, put_off: putOff, spread_key: key } = row
  const window = windowFor(core.registry.find(row.job_type), delivery)
  if (!window || row.waits_for_other) return null
  const wanted = wantedTime(window, { due, delivery, putOff }, now)
  if (wanted === due && due > now) return null
  const until = due > now ? due : placeInWindow(window, { wanted: now, now, key })
  if (until <= now) return null
  const opens = new Date(nextOpening(window, Math.max(wanted, now)).at)
  return { timeZone: window.timeZone, opens, until: new Date(until) }
}

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
    runnerId,
    holder: known ? { runnerId, host, processId, leaseUntil: new Date(leaseMs) } : null,
    runners: row.runners.map(each => ({
      runnerId: each.runner_id,
      host: each.host,
      processId: each.process_id,
      handles: each.handles,
    })),
  }
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms)
}
