import { attemptOf, of, type Check } from './history.ts'

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
  const planned = new Map(of(facts, 'planned').map(fact => [fact.name, fact.after]))
  // A call that found its key taken left the job that has it as it was.
  const stored = of(facts, 'acknowledged').filter(fact => !fact.conflict)
  const parents = new Map(stored.map(fact => [fact.jobId, planned.get(fact.name) ?? []]))
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

/** What handlers in transactions and in steps are promised, callers who want a running job to run again, and jobs that come after others. */
export const HANDLER_CHECKS: readonly Check[] = [exactWork, sameAnswers, doubts, reruns, inSequence]
