import { attemptOf, of, type Check } from './history.ts'
import { isOpen } from './windows.ts'

/** A row that a handler wrote in its transaction is there if the attempt completed, once, and else is not. */
const exactWork: Check = ({ end }, report) => {
  const invariant = 'a transactional job works when it completes, and only then'
  const types = new Map(end.jobs.map(row => [row.job_id, row.job_type]))
  const attempts = (rows: readonly { job_id: string; attempt: number }[]) =>
    rows.map(row => attemptOf({ jobId: row.job_id, attempt: row.attempt }))
  const written = attempts(end.effects)
  const completed = end.history.filter(row => row.status === 'completed' && types.get(row.job_id) === 'exact')
  const done = new Set(attempts(completed))
  for (const attempt of new Set(written)) {
    if (!done.has(attempt)) report(invariant, `${attempt} did not complete, and its work is there`)
  }
  for (const attempt of done) {
    const times = written.filter(each => each === attempt).length
    if (times !== 1) report(invariant, `${attempt} completed, and its work is there ${times} times`)
  }
}

const sameAnswers: Check = ({ facts }, report) => {
  const first = new Map<string, string>()
  for (const { jobId, attempt, step, answer, line } of of(facts, 'step-passed')) {
    const key = `${step} of ${jobId}`
    const known = first.get(key) ?? answer
    first.set(key, known)
    if (known === answer) continue
    const detail = `step ${key} was answered ${known}, and in attempt ${attempt} ${answer}`
    report('a step is answered the same in every attempt', detail, line)
  }
}

const doubts: Check = ({ facts }, report) => {
  const begun = new Set<string>()
  for (const { jobId, attempt, doubtful, line } of of(facts, 'sending')) {
    if (begun.has(jobId) && !doubtful) {
      report('who sends again is told so', `${attemptOf({ jobId, attempt })} sends again without knowing`, line)
    }
    begun.add(jobId)
  }
}

/**
 * Whoever was told that a running job will run once more finds that its payload was run, or one of a call of the same key
 * that came after it. Where somebody cancels a job of the key, that may be the run that was asked for.
 */
const reruns: Check = ({ facts, end }, report) => {
  const rows = new Map(end.jobs.map(row => [row.job_id, row]))
  const planned = new Map(of(facts, 'planned').map(fact => [fact.name, fact]))
  const ends = new Map(of(facts, 'group-ended').map(fact => [fact.group, fact.line]))
  const cancelled = new Set(
    facts.flatMap(fact => {
      const mayCancel = fact.kind === 'cancel-asked' || (fact.kind === 'handler-ended' && fact.how !== 'returned')
      return mayCancel ? (rows.get(fact.jobId)?.unique_key ?? []) : []
    }),
  )
  const types = new Set(of(facts, 'acted-on').flatMap(fact => (fact.act === 'cancels' ? fact.jobType : [])))
  for (const { name, jobId, conflict, line } of of(facts, 'acknowledged')) {
    const wish = planned.get(name)
    if (!conflict || !wish?.reruns || wish.uniqueKey === null || cancelled.has(wish.uniqueKey)) continue
    const holder = rows.get(jobId)
    if (holder?.status !== 'completed' || types.has(holder.job_type)) continue
    const wasRun = of(facts, 'started').some(fact => {
      const call = planned.get(fact.name)
      const isLater = call?.uniqueKey === wish.uniqueKey && (ends.get(call.group) ?? line) >= wish.line
      return fact.line > wish.line && (call === wish || isLater)
    })
    if (!wasRun)
      report('a job that is asked for while it runs runs once more', `${name} found ${jobId}, and ran never`, line)
  }
}

/**
 * What a job comes after does not run any more when it starts; only a redrive may bring that back. A cancelled job that
 * is redriven runs at once, whatever it waited for.
 */
const inSequence: Check = ({ facts }, report) => {
  const planned = new Map(of(facts, 'planned').map(fact => [fact.name, fact]))
  const ids = new Map(of(facts, 'acknowledged').map(fact => [fact.name, fact.jobId]))
  // A call that found its key taken left the job that has it as it was.
  const stored = of(facts, 'acknowledged').filter(fact => !fact.conflict)
  const parents = new Map(
    stored.map(({ jobId, name }) => {
      const { after = [], afterNamed = [] } = planned.get(name) ?? {}
      return [jobId, [...after, ...afterNamed.flatMap(each => ids.get(each) ?? [])]]
    }),
  )
  const redriven = new Set(of(facts, 'redrive-asked').map(fact => fact.jobId))
  const settled = new Map(of(facts, 'settled').map(fact => [attemptOf(fact), fact.line]))
  const first = new Set<string>()
  for (const start of of(facts, 'started')) {
    if (first.has(start.jobId) || redriven.has(start.jobId)) continue
    first.add(start.jobId)
    for (const parent of parents.get(start.jobId) ?? []) {
      const late = of(facts, 'started').find(
        fact => fact.jobId === parent && (settled.get(attemptOf(fact)) ?? 0) > start.line && !redriven.has(parent),
      )
      if (!late) continue
      const detail = `${start.jobId} was started before ${attemptOf(late)}, which it comes after, was settled`
      report('a job starts after those it waits for', detail, start.line)
    }
  }
}

/** What several calls gathered in one job is all there, once, and was run if the job completed. */
const gathered: Check = ({ facts, end }, report) => {
  const invariant = 'what is appended is run, once'
  const planned = new Map(of(facts, 'planned').map(fact => [fact.name, fact]))
  const ends = new Map(of(facts, 'group-ended').map(fact => [fact.group, fact.how]))
  const rows = new Map(end.jobs.map(row => [row.job_id, row]))
  for (const { name, jobId, line } of of(facts, 'acknowledged')) {
    const wish = planned.get(name)
    if (wish?.jobType !== 'gathered' || ends.get(wish.group) !== 'committed') continue
    const times = end.jobs.flatMap(row => row.names).filter(each => each === name).length
    const row = rows.get(jobId)
    if (times !== 1 || !row?.names.includes(name)) {
      report(invariant, `${name} was added to ${jobId}; it is there ${times} times`, line)
    } else if (row.status === 'completed') {
      const last = of(facts, 'started').findLast(fact => fact.jobId === jobId && fact.attempt === row.attempt)
      if (!last?.names.includes(name)) report(invariant, `${jobId} completed without ${name}, which was added`, line)
    }
  }
}

/** Whoever was told that a job is withdrawn has seen its last claim; and no attempt starts that was not asked about. */
const relevance: Check = ({ facts }, report) => {
  const invariant = 'a job that is not wanted any more never starts'
  const withdrawn = new Map<string, number>()
  const asked = new Set<string>()
  for (const fact of facts) {
    if (fact.kind === 'withdrawn') withdrawn.set(fact.name, fact.line)
    if (fact.kind === 'wanted-again') withdrawn.clear()
    if (fact.kind === 'found-relevant') asked.add(fact.jobId)
    if (fact.kind !== 'started' || fact.jobType !== 'asked') continue
    if (!asked.delete(fact.jobId)) report(invariant, `${attemptOf(fact)} was started, and nobody was asked`, fact.line)
    const since = withdrawn.get(fact.name) ?? Number.POSITIVE_INFINITY
    if (fact.claim && fact.claim.line > since) {
      report(invariant, `${attemptOf(fact)} was claimed after ${fact.name} was withdrawn (line ${since})`, fact.line)
    }
  }
}

/** By the zone of whoever it is for, as far as nobody moved. */
const windows: Check = ({ facts }, report) => {
  const moved = of(facts, 'zone-changed')[0]?.line ?? Number.POSITIVE_INFINITY
  const opens = new Map(of(facts, 'planned').map(fact => [fact.name, fact.opens]))
  for (const fact of of(facts, 'started')) {
    if (fact.jobType !== 'windowed' || fact.line > moved) continue
    const when = opens.get(fact.name) ?? 'always'
    if (!isOpen(when, fact.at)) {
      const detail = `${attemptOf(fact)} was started in the wrong half of a span, it opens: ${when}`
      report('a job starts while its delivery window is open', detail, fact.line)
    }
  }
}

/** What handlers in transactions and in steps are promised, callers who want a running job to run again, and jobs that come after others. */
export const HANDLER_CHECKS: readonly Check[] = [
  exactWork,
  sameAnswers,
  doubts,
  reruns,
  inSequence,
  gathered,
  relevance,
  windows,
]
