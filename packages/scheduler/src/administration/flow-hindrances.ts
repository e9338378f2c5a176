import type { ResolvedKeyLimits, ResolvedLimits } from '../job/limits.ts'
import { budgetLeft, earliestStart, type Ask, type MeteredLimits, type Meters } from '../flow/meter.ts'
import type { Hindrance } from './hindrance.ts'
import { EVERY_TYPE, OF_SUBJECT } from '../store/pauses.ts'
import { dateAt, say } from './say.ts'

/** What flow control knows of a job at one moment. */
export interface FlowFacts {
  readonly nowMs: number
  readonly jobType: string
  readonly lane: string | null
  readonly weight: number
  readonly cost: number
  /** It stepped aside until a job of its key ends. */
  readonly parked: boolean
  /** It holds a slot of its type and key itself: a retry in strict order. */
  readonly holdsSlot: boolean
  readonly pauses: readonly { readonly jobType: string; readonly lane: string; readonly reason: string | null }[]
  readonly limits: ResolvedLimits | undefined
  readonly type: LaneFacts
  readonly key: LaneFacts
  readonly blockers: readonly Blocker[]
}

/** A job that may be in its way. */
interface Blocker {
  /** It runs, or holds a slot of the key, or comes before in the key's strict order, or is the first of its type. */
  readonly by: 'type' | 'key' | 'order' | 'first'
  readonly jobId: string
  /** A runner holds it. */
  readonly held: boolean
  readonly dueMs: number
  readonly startedMs: number | null
  readonly weight: number
  readonly cost: number
}

interface LaneFacts extends Meters {
  readonly running: number
  /** Of a type whose breaker's rest is over: those that run and began since. */
  readonly tried?: number
  readonly failures: number
  readonly pausedUntilMs: number | null
}

/** What pauses, limits, rates and breakers put in a waiting job's way. Pure. */
export function flowHindrances(facts: FlowFacts): Hindrance[] {
  const pauses = facts.pauses.map(pause => paused(pause))
  const ofType = typeHindrances(facts)
  const ofKey = keyHindrances(facts)
  // What it stepped aside for decides; its type is asked about it after that.
  return facts.parked ? [...pauses, ...ofKey, ...ofType] : [...pauses, ...ofType, ...ofKey]
}

function typeHindrances(facts: FlowFacts): Hindrance[] {
  const { limits = {}, type, jobType } = facts
  const what = `jobs of type ${jobType}`
  const found: Hindrance[] = []
  if (isResting(type, facts)) found.push(resting(what, type))
  else if (limits.breaker && type.failures >= limits.breaker.failures && type.tried) found.push(trying(what, facts))
  if (limits.concurrency !== undefined && type.running >= limits.concurrency) {
    found.push(full(what, limits.concurrency, idsOf(facts, 'type')))
  }
  return [...found, ...metered(what, facts)]
}

/** Its own start, and where jobs go as they come that of the first: who does not fit keeps its place, and all wait with it. */
function metered(what: string, facts: FlowFacts): Hindrance[] {
  const { limits = {}, type, nowMs, blockers } = facts
  const own = rated(what, { limits, meters: type, ask: askOf(facts) })
  const first = limits.perKey?.fair ? undefined : blockers.find(each => each.by === 'first')
  if (!first) return own
  const { jobId, weight, cost } = first
  const ofFirst = rated(what, { limits, meters: type, ask: { ms: nowMs, weight, cost } })
  if (ofFirst.length === 0) return own
  const change = `Time passes, or ${jobId} is cancelled.`
  return ofFirst.map(each => ({
    ...each,
    sentence: `It waits with ${jobId}, which comes first. ${each.sentence}`,
    change,
  }))
}

/** A retry in strict order holds its slot: only a rest, a rate and a budget of its key hold it back. */
function keyHindrances(facts: FlowFacts): Hindrance[] {
  const { limits, key, lane } = facts
  if (lane === null || !limits) return []
  const what = `jobs of key ${lane}`
  const found: Hindrance[] = []
  if (isResting(key, facts)) found.push(resting(what, key))
  const { perKey } = limits
  if (!perKey) return found
  if (!facts.holdsSlot) found.push(...slotHindrances(lane, perKey, facts))
  return [...found, ...rated(what, { limits: perKey, meters: key, ask: askOf(facts) })]
}

/** Others of its key that come first, or as many as may run. */
function slotHindrances(lane: string, perKey: ResolvedKeyLimits, facts: FlowFacts): Hindrance[] {
  const { key, blockers } = facts
  const head = blockers.find(each => each.by === 'key') ?? blockers.find(each => each.by === 'order')
  if (perKey.fifo && head && !head.held) return [behind(lane, head, facts)]
  const isFull = perKey.concurrency !== undefined && key.running >= perKey.concurrency
  return isFull ? [full(`jobs of key ${lane}`, perKey.concurrency ?? 0, idsOf(facts, 'key'))] : []
}

function askOf({ nowMs, weight, cost }: FlowFacts): Ask {
  return { ms: nowMs, weight, cost }
}

function idsOf({ blockers }: FlowFacts, by: Blocker['by']): readonly string[] {
  return blockers.filter(each => each.by === by).map(each => each.jobId)
}

/** Strict order, and the job whose turn it is does not run at this moment. */
function behind(lane: string, { jobId, by, dueMs }: Blocker, facts: FlowFacts): Hindrance {
  const until = dueMs > facts.nowMs ? dateAt(dueMs) : null
  const again = by === 'key' ? 'is tried again' : 'is due'
  const state = until === null ? 'has not started' : `${again} at ${say(until)}`
  return {
    kind: 'order',
    jobs: by === 'key' ? [jobId] : idsOf(facts, 'order'),
    until,
    sentence: `Jobs of key ${lane} run in strict order, and ${jobId}, which comes before it, ${state}.`,
    change: `It goes on when ${jobId} has ended; ask why that waits, or cancel it.`,
  }
}

function paused({ jobType, lane, reason }: FlowFacts['pauses'][number]): Hindrance {
  const target = targetOf(jobType, lane)
  return {
    kind: 'paused',
    target,
    reason,
    until: null,
    sentence: `Paused: ${target}${reason === null ? '' : ` (${reason})`}.`,
    change: 'Somebody resumes it.',
  }
}

function targetOf(jobType: string, lane: string): string {
  if (jobType === EVERY_TYPE) return 'everything'
  if (jobType === OF_SUBJECT) return `subject ${lane}`
  return lane === '' ? `type ${jobType}` : `key ${lane} of type ${jobType}`
}

function isResting({ pausedUntilMs }: LaneFacts, { nowMs }: FlowFacts): boolean {
  return pausedUntilMs !== null && pausedUntilMs > nowMs
}

/** The breaker's rest is over, and what becomes of the first job since is not known yet. */
function trying(what: string, { type, blockers }: FlowFacts): Hindrance {
  const since = type.pausedUntilMs ?? Number.NEGATIVE_INFINITY
  const jobs = blockers.filter(each => each.by === 'type' && (each.startedMs ?? 0) >= since).map(each => each.jobId)
  return {
    kind: 'limit',
    limit: 1,
    jobs,
    until: null,
    sentence: `After ${type.failures} failures in a row one of the ${what} is tried alone: ${jobs.join(', ')}.`,
    change: 'When it completes, all go on; when it fails, all rest again.',
  }
}

function resting(what: string, { pausedUntilMs, failures }: LaneFacts): Hindrance {
  const reason = failures > 0 ? `${failures} failures in a row` : 'the other side asked for it'
  if (pausedUntilMs === Number.POSITIVE_INFINITY) {
    const sentence = `All ${what} rest without an end: ${reason}.`
    const change = 'Somebody sets paused_until of their row in belfry_lanes to null.'
    return { kind: 'paused', target: what, reason, until: null, sentence, change }
  }
  const until = dateAt(pausedUntilMs ?? 0)
  return {
    kind: 'paused',
    target: what,
    reason,
    until,
    sentence: `All ${what} rest until ${say(until)}: ${reason}.`,
    change: failures > 0 ? 'Then one job is tried; when it completes, all go on.' : 'Then they go on.',
  }
}

function full(what: string, limit: number, jobs: readonly string[]): Hindrance {
  return {
    kind: 'limit',
    limit,
    jobs,
    until: null,
    sentence: `As many ${what} run as may (${limit}): ${jobs.join(', ')}.`,
    change: 'One of them ends.',
  }
}

function rated(
  what: string,
  { limits, meters, ask }: { limits: MeteredLimits; meters: Meters; ask: Ask },
): Hindrance[] {
  const { rate, budget } = limits
  const nowMs = ask.ms
  const found: Hindrance[] = []
  const byRate = rate ? earliestStart({ rate }, meters, ask) : nowMs
  if (rate && byRate > nowMs) {
    const until = dateAt(byRate)
    const sentence = `As many ${what} have started as may within ${rate.perMs} ms (${rate.limit}); the next may at ${say(until)}.`
    found.push({ kind: 'rate', limit: rate.limit, perMs: rate.perMs, until, sentence, change: 'Time passes.' })
  }
  const byBudget = budget ? earliestStart({ budget }, meters, ask) : nowMs
  if (budget && byBudget > nowMs) {
    const until = dateAt(byBudget)
    const left = Math.max(0, budgetLeft(budget, meters, nowMs))
    const sentence = `The budget of ${what} is spent: ${left} of ${budget.amount} within ${budget.perMs} ms is left; some is free at ${say(until)}.`
    const change = 'Time passes, or a job that runs gives back what it did not use.'
    found.push({ kind: 'rate', limit: budget.amount, perMs: budget.perMs, until, sentence, change })
  }
  return found
}
