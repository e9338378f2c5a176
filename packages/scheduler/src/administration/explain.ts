import { databaseNow, type Core } from '../core.ts'
import { BelfryError } from '../errors.ts'
import { DEFAULT_COST, limitsIn, queuedCandidate, stateOf } from '../flow/lane-state.ts'
import { wantedTime, windowFor } from '../job/delivery.ts'
import { nextOpening, placeInWindow } from '../job/delivery-window.ts'
import { costOf, faultOf, readableDelivery, weightOf } from '../job/stored-fields.ts'
import { readFlow } from '../store/flow-facts.ts'
import { openDependencies } from '../store/read-dependencies.ts'
import { readJobFacts, type JobFactsRow } from '../store/job-facts.ts'
import { dependencyHindrance } from './dependency-hindrance.ts'
import { explainJob, unreadable, type Explanation, type JobFacts } from './explanation.ts'
import { flowHindrances } from './flow-hindrances.ts'
import type { Hindrance } from './hindrance.ts'
import { dateAt } from './say.ts'

/** Reads the facts of one moment in one statement and explains them. Undefined when there is no such job. */
export async function explain(core: Core, jobId: string): Promise<Explanation | undefined> {
  const row = await readJobFacts(core.database, core.tables, { jobId, now: databaseNow(core) })
  if (!row) return undefined
  const timeoutMs = row.timeout_ms ?? core.registry.find(row.job_type)?.timeoutMs ?? null
  const waits = row.completed_ms === null && !row.held
  const fault = faultOf(row) ?? null
  const facts = { ...factsOf(row), fault, timeoutMs, window: waits && fault === null ? windowOf(core, row) : null }
  const flow = waits ? [...(await dependenciesOf(core, row)), ...(await flowOf(core, row, fault))] : []
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
async function flowOf(core: Core, row: JobFactsRow, fault: string | null): Promise<Hindrance[]> {
  const { job_id: jobId, job_type: jobType, lane, now_ms: nowMs } = row
  const definition = core.registry.find(jobType)
  const asked = { jobId, jobType, lane, subjects: row.subjects ?? [], now: databaseNow(core) }
  const flow = await readFlow(core.database, core.tables, asked)
  const usual = definition?.cost ?? DEFAULT_COST
  // A row that cannot be read counts as a usual one until it fails.
  const { weight, cost } = fault === null ? row : { weight: 1, cost: null }
  const laneFacts = (each: typeof flow.type) => ({ ...each, ...stateOf(each), pausedUntilMs: each.paused_until_ms })
  try {
    return flowHindrances({
      nowMs,
      jobType,
      lane,
      weight: weightOf(weight),
      cost: costOf(cost) ?? usual,
      parked: isParked(row),
      holdsSlot: row.admitted,
      pauses: flow.pauses.map(pause => ({ jobType: pause.job_type, lane: pause.lane, reason: pause.reason })),
      limits: limitsIn(flow.type, definition),
      type: laneFacts(flow.type),
      key: laneFacts(flow.key),
      blockers: flow.blockers.map(each => ({
        ...queuedCandidate([each.job_id, each.due_ms, each.weight, each.cost], usual),
        by: each.by,
        held: each.held,
        startedMs: each.started_ms,
      })),
    })
  } catch (error) {
    if (!(error instanceof BelfryError)) throw error
    return [unreadable(`Its type starts nothing: ${error.message}`, 'Somebody puts that right.')]
  }
}

/** It stepped aside until a job of its key ends. */
function isParked({ waits_for_other: waitsForOther, waits, lane }: JobFactsRow): boolean {
  return waitsForOther && !waits && lane !== null
}

/** Whether its delivery window has put a waiting job off, or will when a runner takes it. */
function windowOf(core: Core, row: JobFactsRow): JobFacts['window'] {
  const { due_ms: due, now_ms: now, put_off: putOff, spread_key: key } = row
  const delivery = readableDelivery(row.delivery)
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
    now: dateAt(row.now_ms),
    jobId: row.job_id,
    jobType: row.job_type,
    status: row.status,
    held: row.held,
    waitsForOther: row.waits_for_other,
    parked: isParked(row),
    due: dateAt(row.due_ms),
    startedAt: dateOf(row.started_ms),
    completedAt: dateOf(row.completed_ms),
    expiresAt: dateOf(row.expires_ms),
    retryCount: row.retry_count,
    maxRetries: row.max_retries,
    lastOutcome: row.last_outcome,
    error: row.error_message,
    cancelRequested: row.cancel_requested,
    runnerId,
    holder: known ? { runnerId, host, processId, leaseUntil: dateAt(leaseMs) } : null,
    runners: row.runners.map(each => ({
      runnerId: each.runner_id,
      host: each.host,
      processId: each.process_id,
      handles: each.handles,
    })),
  }
}

function dateOf(ms: number | null): Date | null {
  return ms === null ? null : dateAt(ms)
}
