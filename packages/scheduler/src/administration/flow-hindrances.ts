import type { ResolvedLimits } from '../job/limits.ts'
import { earliestStart, recentStarts, type Start } from '../flow/admission.ts'
import type { Hindrance } from './hindrance.ts'
import { say } from './say.ts'

/** What flow control knows of a job at one moment. */
export interface FlowFacts {
  readonly nowMs: number
  readonly jobType: string
  readonly lane: string | null
  readonly pauses: readonly { readonly jobType: string; readonly lane: string; readonly reason: string | null }[]
  readonly limits: ResolvedLimits | undefined
  readonly type: LaneFacts
  readonly key: LaneFacts
}

interface LaneFacts {
  /** The first of the jobs that hold a slot. */
  readonly jobs: readonly string[]
  readonly running: number
  readonly starts: readonly Start[]
  readonly failures: number
  readonly pausedUntilMs: number | null
}

/** What pauses, limits, rates and breakers put in a waiting job's way. Pure. */
export function flowHindrances(facts: FlowFacts): Hindrance[] {
  const { limits, type, key, nowMs, jobType, lane } = facts
  const found = facts.pauses.map(pause => paused(pause))
  if (!limits) return found
  const names = { type: `jobs of type ${jobType}`, key: `jobs of key ${lane ?? ''}` }
  if (type.pausedUntilMs !== null && type.pausedUntilMs > nowMs) found.push(resting(names.type, type))
  if (limits.concurrency !== undefined && type.running >= limits.concurrency) {
    found.push(full(names.type, limits.concurrency, type.jobs))
  }
  found.push(...rated(names.type, { rate: limits.rate, starts: type.starts, nowMs }))
  if (lane === null || !limits.perKey) return found
  if (key.pausedUntilMs !== null && key.pausedUntilMs > nowMs) found.push(resting(names.key, key))
  const { concurrency, rate } = limits.perKey
  if (concurrency !== undefined && key.running >= concurrency) found.push(full(names.key, concurrency, key.jobs))
  return [...found, ...rated(names.key, { rate, starts: key.starts, nowMs })]
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
  { rate, starts, nowMs }: { rate: ResolvedLimits['rate']; starts: readonly Start[]; nowMs: number },
): Hindrance[] {
  if (!rate) return []
  const at = earliestStart(recentStarts(starts, rate, nowMs), rate, { ms: nowMs, weight: 1 })
  if (at <= nowMs) return []
  const until = new Date(at)
  const { limit, perMs } = rate
  return [
    {
      kind: 'rate',
      limit,
      perMs,
      until,
      sentence: `As many ${what} have started as may within ${perMs} ms (${limit}); the next may at ${say(until)}.`,
      change: 'Time passes.',
    },
  ]
}
