import type { ResolvedLimits } from '../job/limits.ts'
import { budgetLeft, earliestStart, type Ask, type MeteredLimits, type Meters } from '../flow/meter.ts'
import type { Hindrance } from './hindrance.ts'
import { say } from './say.ts'

/** What flow control knows of a job at one moment. */
export interface FlowFacts {
  readonly nowMs: number
  readonly jobType: string
  readonly lane: string | null
  readonly weight: number
  readonly cost: number
  readonly pauses: readonly { readonly jobType: string; readonly lane: string; readonly reason: string | null }[]
  readonly limits: ResolvedLimits | undefined
  readonly type: LaneFacts
  readonly key: LaneFacts
}

interface LaneFacts extends Meters {
  /** The first of the jobs that hold a slot. */
  readonly jobs: readonly string[]
  readonly running: number
  readonly failures: number
  readonly pausedUntilMs: number | null
}

/** What pauses, limits, rates and breakers put in a waiting job's way. Pure. */
export function flowHindrances(facts: FlowFacts): Hindrance[] {
  const { limits, type, key, nowMs, jobType, lane } = facts
  const ask = { ms: nowMs, weight: facts.weight, cost: facts.cost }
  const found = facts.pauses.map(pause => paused(pause))
  if (!limits) return found
  const names = { type: `jobs of type ${jobType}`, key: `jobs of key ${lane ?? ''}` }
  if (type.pausedUntilMs !== null && type.pausedUntilMs > nowMs) found.push(resting(names.type, type))
  if (limits.concurrency !== undefined && type.running >= limits.concurrency) {
    found.push(full(names.type, limits.concurrency, type.jobs))
  }
  found.push(...rated(names.type, { limits, meters: type, ask }))
  if (lane === null || !limits.perKey) return found
  if (key.pausedUntilMs !== null && key.pausedUntilMs > nowMs) found.push(resting(names.key, key))
  const { concurrency } = limits.perKey
  if (concurrency !== undefined && key.running >= concurrency) found.push(full(names.key, concurrency, key.jobs))
  return [...found, ...rated(names.key, { limits: limits.perKey, meters: key, ask })]
}

function paused({ jobType, lane, reason }: FlowFacts['pauses'][number]): Hindrance {
  const target = jobType === '*' ? 'everything' : lane === '' ? `type ${jobType}` : `key ${lane} of type ${jobType}`
  return {
    kind: 'paused',
    target,
    reason,
    until: null,
    sentence: `Paused: ${target}${reason === null ? '' : ` (${reason})`}.`,
    change: 'Somebody resumes it.',
  }
}

function resting(what: string, { pausedUntilMs, failures }: LaneFacts): Hindrance {
  const until = new Date(pausedUntilMs ?? 0)
  const reason = failures > 0 ? `${failures} failures in a row` : 'the other side asked for it'
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
    const until = new Date(byRate)
    const sentence = `As many ${what} have started as may within ${rate.perMs} ms (${rate.limit}); the next may at ${say(until)}.`
    found.push({ kind: 'rate', limit: rate.limit, perMs: rate.perMs, until, sentence, change: 'Time passes.' })
  }
  const byBudget = budget ? earliestStart({ budget }, meters, ask) : nowMs
  if (budget && byBudget > nowMs) {
    const until = new Date(byBudget)
    const left = Math.max(0, budgetLeft(budget, meters, nowMs))
    const sentence = `The budget of ${what} is spent: ${left} of ${budget.amount} within ${budget.perMs} ms is left; some is free at ${say(until)}.`
    const change = 'Time passes, or a job that runs gives back what it did not use.'
    found.push({ kind: 'rate', limit: budget.amount, perMs: budget.perMs, until, sentence, change })
  }
  return found
}
