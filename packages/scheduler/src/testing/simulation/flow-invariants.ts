import type { Limits } from '../../job/limits.ts'
import { attemptOf, of, type Check, type Claim, type Fact, type FactOf, type Story } from './history.ts'
import { GOVERNED_TYPES, storedName } from './workload.ts'

const LIMITS: ReadonlyMap<string, Limits> = new Map(
  Object.entries(GOVERNED_TYPES).map(([type, limits]) => [storedName(type), limits]),
)

/** Attempts of these outcomes had their slot until they ended; of the others nobody knows when it was taken away. */
const HELD_TO_THE_END = ['completed', 'failed', 'cancelled', 'snoozed']

type Start = FactOf<'started'> & { readonly claim: Claim }

/**
 * What counts: attempts that were settled by whoever ran them, from the start of their handler until it ended or was
 * told to stop. An attempt that was lost or given back has no slot any more, though its handler may go on as a zombie in
 * a process that was frozen or cut off.
 */
const concurrency: Check = (story, report) => {
  const held = new Set(
    story.end.history
      .filter(row => HELD_TO_THE_END.includes(row.status))
      .map(row => attemptOf({ jobId: row.job_id, attempt: row.attempt })),
  )
  const running = new Map<string, Start>()
  for (const fact of story.facts) {
    if (isOver(fact)) running.delete(attemptOf(fact))
    if (fact.kind !== 'started' || !fact.claim || !held.has(attemptOf(fact))) continue
    const limits = limitsIn(story, fact.jobType)
    if (!limits) continue
    running.set(attemptOf(fact), fact as Start)
    const others = [...running.values()]
    const inKey = others.filter(each => each.claim.key !== null && each.claim.key === fact.claim?.key)
    const perKey = limits.perKey?.fifo ? 1 : (limits.perKey?.concurrency ?? Number.POSITIVE_INFINITY)
    const tooMany = others.length > (limits.concurrency ?? Number.POSITIVE_INFINITY) || inKey.length > perKey
    if (tooMany) {
      const names = others.map(attemptOf).join(', ')
      report('a limit of concurrency is never exceeded', `${fact.jobType}: ${names} run at once`, fact.line)
    }
  }
}

function isOver(fact: Fact): fact is FactOf<'handler-ended' | 'settled' | 'aborted'> {
  return fact.kind === 'handler-ended' || fact.kind === 'settled' || fact.kind === 'aborted'
}

/** Starts count when they were admitted, by the database's clock. */
const rates: Check = (story, report) => {
  for (const jobType of LIMITS.keys()) {
    const limits = limitsIn(story, jobType)
    if (!limits) continue
    const starts = startsOf(story).filter(fact => fact.jobType === jobType)
    const keys = new Set(starts.map(fact => fact.claim.key))
    const metered = [
      ...spansOf(limits).map(span => ({ span, among: starts, at: ({ claim }: Start) => claim.admittedAt })),
      ...[...keys].flatMap(key =>
        spansOf(key === null ? {} : (limits.perKey ?? {})).map(span => ({
          span,
          among: starts.filter(fact => fact.claim.key === key),
          at: ({ claim }: Start) => claim.admittedByKeyAt,
        })),
      ),
    ]
    for (const { span, among, at } of metered) {
      for (const last of among) {
        const within = among.filter(each => at(each) > at(last) - span.ms && at(each) <= at(last))
        if (within.length <= span.most) continue
        const names = within.map(attemptOf).join(', ')
        report('a rate is never exceeded', `${jobType}: ${names} within ${span.ms} ms`, last.line)
      }
    }
  }
}

/** At most so many starts in any span: what a rate and a budget say (each job costs 1, and nothing is given back). */
function spansOf({ rate, budget }: Pick<Limits, 'rate' | 'budget'>): { most: number; ms: number }[] {
  const spans = budget ? [{ most: budget.amount, ms: Number(budget.per) }] : []
  if (!rate) return spans
  const per = Number(rate.per)
  if (rate.burst === undefined) return [...spans, { most: rate.limit, ms: per }]
  const { burst, limit } = rate
  // A full bucket, and what flows in meanwhile; shorter spans are stricter, and longer ones tell of slow leaks.
  return [0, 1, 2, 5].reduce(
    (all, more) => [...all, { most: burst + more * limit, ms: Math.max(1, more * per) }],
    spans,
  )
}

/** What a type is held to; undefined: it has no limits, or was given others. */
function limitsIn(story: Story, jobType: string): Limits | undefined {
  const changed = of(story.facts, 'limits-changed').some(fact => fact.jobType === jobType)
  return changed ? undefined : LIMITS.get(jobType)
}

const strictOrder: Check = (story, report) => {
  const { facts } = story
  const moved = new Set([...of(facts, 'touched'), ...of(facts, 'redrive-asked')].map(fact => fact.jobId))
  const postponed = new Set(of(facts, 'acted-on').flatMap(fact => (fact.act === 'postpones' ? fact.jobType : [])))
  const stored = new Map(of(facts, 'acknowledged').map(fact => [fact.jobId, fact.line]))
  const starts = startsOf(story).filter(
    fact => limitsIn(story, fact.jobType)?.perKey?.fifo && !postponed.has(fact.jobType) && !moved.has(fact.jobId),
  )
  for (const key of new Set(starts.map(fact => fact.claim.key))) {
    if (key === null) continue
    const own = starts.filter(fact => fact.claim.key === key)
    for (const [index, start] of own.entries()) {
      const { claim } = start
      const overtaken = own.slice(index + 1).find(each => {
        if (each.jobId === start.jobId) return false
        const begun = own.slice(0, index).some(before => before.jobId === each.jobId)
        // Begun before and not over, or due before and stored before this one was claimed. A later attempt is not asked:
        // an earlier one may have been claimed and lost before its handler began, and has held the slot since.
        if (begun) return true
        return (
          start.attempt === 1 &&
          each.attempt === 1 &&
          each.claim.scheduledMs < claim.scheduledMs &&
          (stored.get(each.jobId) ?? Number.POSITIVE_INFINITY) < claim.line
        )
      })
      if (overtaken) {
        const detail = `${attemptOf(start)} was started before ${attemptOf(overtaken)} of key ${key}`
        report('a strict key keeps its order', detail, start.line)
      }
    }
  }
}

/** A pause holds from the moment the call was answered, unless somebody may have ended it since. */
const pauses: Check = (story, report) => {
  const started = claimedStarts(story)
  const targets = new Set(of(story.facts, 'paused').map(fact => fact.target))
  for (const target of targets) {
    let resuming = 0
    let pausedAt: number | undefined
    const spans: { from: number; to: number }[] = []
    const end = (to: number) => {
      if (pausedAt !== undefined) spans.push({ from: pausedAt, to })
      pausedAt = undefined
    }
    for (const fact of story.facts) {
      if (!('target' in fact) || fact.target !== target) continue
      if (fact.kind === 'paused' && resuming === 0) pausedAt ??= fact.line
      if (fact.kind === 'resume-asked') end(fact.line)
      if (fact.kind === 'resume-asked') resuming += 1
      if (fact.kind === 'resume-answered') resuming -= 1
    }
    end(Number.POSITIVE_INFINITY)
    for (const start of started) {
      const { claim, jobType, line } = start
      const isMeant = target === jobType || target === `${jobType} of ${claim.key}` || target === claim.subject
      if (isMeant && spans.some(span => claim.line > span.from && claim.line < span.to)) {
        report('what is paused starts nothing', `${attemptOf(start)} was claimed while ${target} was paused`, line)
      }
    }
  }
}

function startsOf(story: Story): Start[] {
  return claimedStarts(story).filter(fact => LIMITS.has(fact.jobType))
}

function claimedStarts({ facts }: Story): Start[] {
  return of(facts, 'started').filter((fact): fact is Start => fact.claim !== undefined)
}

/** What limits over all processes promise. */
export const FLOW_CHECKS: readonly Check[] = [concurrency, rates, strictOrder, pauses]
