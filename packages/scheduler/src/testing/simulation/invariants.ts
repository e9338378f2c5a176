import { FLOW_CHECKS } from './flow-invariants.ts'
import { HANDLER_CHECKS } from './handler-invariants.ts'
import {
  attemptOf,
  of,
  type Check,
  type Fact,
  type HistoryRow,
  type JobRow,
  type Story,
  type Violation,
} from './history.ts'

/** Compares what was seen with what is stored. Pure; answers every contradiction. */
export function findViolations(told: Story): Violation[] {
  const story = { ...told, facts: told.facts.flatMap(fact => aboutEach(fact, told)) }
  const violations: Violation[] = []
  for (const check of CHECKS) {
    check(story, (invariant, detail, line) => violations.push({ invariant, detail, line }))
  }
  return violations
}

/** Whoever redrives all jobs of a type redrives each of them. */
function aboutEach(fact: Fact, { end }: Story): readonly Fact[] {
  if (fact.kind !== 'all-redrive-asked' && fact.kind !== 'all-redrive-answered') return [fact]
  const kind = fact.kind === 'all-redrive-asked' ? 'redrive-asked' : 'redrive-answered'
  const rows = end.jobs.filter(row => row.job_type === fact.jobType)
  return rows.map(row => ({ kind, jobId: row.job_id, line: fact.line }))
}

const foundMeanwhile: Check = ({ facts }, report) => {
  for (const fact of of(facts, 'violation')) report(fact.invariant, fact.detail, fact.line)
}

const acknowledgedJobs: Check = ({ facts, end }, report) => {
  const ids = new Set(end.jobs.map(row => row.job_id))
  const ends = new Map(of(facts, 'group-ended').map(fact => [fact.group, fact.how]))
  const groups = new Map(of(facts, 'planned').map(fact => [fact.name, fact.group]))
  for (const fact of of(facts, 'acknowledged')) {
    const how = ends.get(groups.get(fact.name) ?? -1)
    if (how === 'committed' && !ids.has(fact.jobId)) {
      report('an acknowledged job is never lost', `${fact.name} was stored as ${fact.jobId} and is gone`, fact.line)
    }
  }
}

const allOrNothing: Check = ({ facts, end }, report) => {
  const invariant = 'a transaction stores all or nothing'
  const there = new Set([...end.jobs.flatMap(row => row.names), ...of(facts, 'started').flatMap(fact => fact.names)])
  const planned = of(facts, 'planned')
  for (const { group, how, line } of of(facts, 'group-ended')) {
    if (how === 'committed') continue
    const names = planned.filter(fact => fact.group === group).map(fact => fact.name)
    const stored = names.filter(name => there.has(name))
    if (stored.length > 0 && how === 'rolled back')
      report(invariant, `${stored.join(', ')}: rolled back and there`, line)
    if (stored.length > 0 && stored.length < names.length) {
      report(invariant, `of ${names.join(', ')} only ${stored.join(', ')} are there`, line)
    }
  }
}

const startsOnce: Check = ({ facts }, report) => {
  const first = new Map<string, string>()
  for (const fact of of(facts, 'started')) {
    const attempt = attemptOf(fact)
    const by = first.get(attempt)
    if (by) report('an attempt starts once', `${attempt} was started by ${by} and by ${fact.process}`, fact.line)
    first.set(attempt, fact.process)
  }
}

const settledOnce: Check = ({ facts, end }, report) => {
  const invariant = 'an attempt is settled once, by the holder of its lease'
  const stored = new Map(end.history.map(row => [attemptOf({ jobId: row.job_id, attempt: row.attempt }), row.status]))
  const seen = new Set<string>()
  for (const fact of of(facts, 'settled')) {
    const attempt = attemptOf(fact)
    if (seen.has(attempt)) report(invariant, `${attempt} was settled twice`, fact.line)
    seen.add(attempt)
    const outcome = stored.get(attempt) ?? 'nothing'
    if (outcome !== fact.outcome) {
      report(invariant, `${attempt}: ${fact.process} settled ${fact.outcome}, history says ${outcome}`, fact.line)
    }
  }
}

const completedWorked: Check = ({ facts, end }, report) => {
  const returned = new Set(
    of(facts, 'handler-ended')
      .filter(fact => fact.how === 'returned')
      .map(attemptOf),
  )
  for (const row of end.history.filter(each => each.status === 'completed')) {
    const attempt = attemptOf({ jobId: row.job_id, attempt: row.attempt })
    if (!returned.has(attempt))
      report('a completed job did its work', `${attempt} is completed; its handler never returned`)
  }
}

const finishedStay: Check = ({ facts }, report) => {
  const over = new Map<string, number>()
  const redriving: string[] = []
  for (const fact of facts) {
    if (fact.kind === 'redrive-asked') redriving.push(fact.jobId)
    else if (fact.kind === 'redrive-answered') redriving.splice(redriving.indexOf(fact.jobId), 1)
    else if (fact.kind === 'settled' && !fact.willRetry) over.set(fact.jobId, fact.attempt)
    else if (fact.kind === 'started' && fact.attempt > (over.get(fact.jobId) ?? Number.POSITIVE_INFINITY)) {
      report('a finished job never comes back', `${attemptOf(fact)} was started after the job had ended`, fact.line)
    }
    // Only while it may be under way: a redrive that was answered is over.
    if (fact.kind !== 'started') for (const jobId of redriving) over.delete(jobId)
  }
}

/** A cancelled row keeps the number of its last attempt; whoever starts a later one started a cancelled job. */
const cancelledStay: Check = ({ facts, end }, report) => {
  const rows = new Map(end.jobs.map(row => [row.job_id, row]))
  const redriven = new Set(of(facts, 'redrive-asked').map(fact => fact.jobId))
  const invariant = 'a cancelled pending job never starts'
  for (const { jobId, line } of of(facts, 'cancelled')) {
    if (redriven.has(jobId)) continue
    const row = rows.get(jobId)
    if (row && row.status !== 'cancelled') report(invariant, `${jobId} was cancelled and is ${row.status}`, line)
    const later = of(facts, 'started').find(each => each.jobId === jobId && each.attempt > (row?.attempt ?? 0))
    if (later) report(invariant, `${attemptOf(later)} was started`, later.line)
  }
}

const cancelledAsked: Check = ({ facts, end }, report) => {
  const asked = new Set(of(facts, 'cancel-asked').map(fact => fact.jobId))
  const doomed = of(facts, 'planned').filter(fact => fact.mayBeCancelled)
  const names = new Set(doomed.map(fact => fact.name))
  // A call that replaces a waiting job changes its name, and not what it waits for.
  const keys = new Set(doomed.flatMap(fact => fact.uniqueKey ?? []))
  for (const fact of of(facts, 'acknowledged')) if (names.has(fact.name)) asked.add(fact.jobId)
  for (const fact of of(facts, 'handler-ended')) if (fact.how === 'asked to be cancelled') asked.add(fact.jobId)
  for (const fact of of(facts, 'withdraw-asked')) names.add(fact.name)
  const types = new Set(of(facts, 'acted-on').flatMap(fact => (fact.act === 'cancels' ? fact.jobType : [])))
  for (const row of end.jobs) {
    if (types.has(row.job_type)) continue
    const isDoomed = row.names.some(name => names.has(name)) || (row.unique_key !== null && keys.has(row.unique_key))
    if (row.status === 'cancelled' && !asked.has(row.job_id) && !isDoomed) {
      report('nothing is cancelled unasked', `${row.job_id} is cancelled; nobody asked for it`)
    }
  }
}

const neverEarly: Check = ({ facts }, report) => {
  const dueAt = new Map(of(facts, 'planned').map(fact => [fact.name, fact.dueAt]))
  const touched = new Set([...of(facts, 'touched'), ...of(facts, 'redrive-asked')].map(fact => fact.jobId))
  for (const fact of of(facts, 'started')) {
    const due = dueAt.get(fact.name)
    if (fact.attempt === 1 && due !== undefined && fact.at < due && !touched.has(fact.jobId)) {
      report('a job never starts early', `${attemptOf(fact)} was started ${due - fact.at} ms early`, fact.line)
    }
  }
}

const rowPerAttempt: Check = ({ end }, report) => {
  const rows = new Map<string, HistoryRow[]>()
  for (const row of end.history) rows.set(row.job_id, [...(rows.get(row.job_id) ?? []), row])
  for (const job of end.jobs) {
    const attempts = (rows.get(job.job_id) ?? []).map(row => row.attempt).toSorted((a, b) => a - b)
    const wanted = Array.from({ length: isFinished(job) ? job.attempt : 0 }, (_, index) => index + 1)
    if (isFinished(job) && attempts.join() !== wanted.join()) {
      const detail = `${job.job_id} counts ${job.attempt} attempts, history has [${attempts.join(', ')}]`
      report('every attempt has one row of history', detail)
    }
  }
}

const withinLimits: Check = ({ facts, end, maxLost }, report) => {
  const invariant = 'retries and losses stay within their limits'
  for (const job of end.jobs) {
    if (job.retry_count > job.max_retries) {
      report(invariant, `${job.job_id}: ${job.retry_count} retries, ${job.max_retries} allowed`)
    }
    if (job.lost_count > maxLost) report(invariant, `${job.job_id}: lost ${job.lost_count} times, ${maxLost} allowed`)
    const lives = 1 + of(facts, 'redrive-asked').filter(fact => fact.jobId === job.job_id).length
    const failures = end.history.filter(row => row.job_id === job.job_id && row.status === 'failed').length
    if (failures > (job.max_retries + 1) * lives) {
      report(invariant, `${job.job_id} failed ${failures} times, with ${job.max_retries} retries`)
    }
  }
}

const occurrences: Check = ({ end }, report) => {
  for (const twice of doubles(end.jobs, row => row.occurrence && `${row.schedule_id} of ${row.occurrence}`)) {
    report('an occurrence fires once', `${twice} made two jobs`)
  }
}

const everythingEnded: Check = ({ end }, report) => {
  for (const row of end.jobs) {
    if (!isFinished(row)) report('everything ends', `${row.job_id} (${row.names.join(', ')}) is still ${row.status}`)
  }
}

const CHECKS: readonly Check[] = [
  foundMeanwhile,
  acknowledgedJobs,
  allOrNothing,
  startsOnce,
  settledOnce,
  completedWorked,
  finishedStay,
  cancelledStay,
  cancelledAsked,
  neverEarly,
  rowPerAttempt,
  withinLimits,
  occurrences,
  ...FLOW_CHECKS,
  ...HANDLER_CHECKS,
  everythingEnded,
]

/** Keys of rows that are there more than once; rows without a key do not count. */
export function doubles<Row>(rows: readonly Row[], keyOf: (row: Row) => string | null): string[] {
  const seen = new Set<string>()
  return rows.flatMap(row => {
    const key = keyOf(row)
    if (key === null) return []
    if (seen.has(key)) return [key]
    seen.add(key)
    return []
  })
}

export function isFinished(row: JobRow): boolean {
  return row.status !== 'pending' && row.status !== 'running'
}
