import { startsUnderLimits, type TypeFlow } from './starts-under-limits.ts'

/** What will run within one hour. */
export interface ForecastHour {
  readonly from: Date
  /** Jobs that are stored already. Those that are due at this moment stand in the first hour. */
  readonly pending: number
  /** Occurrences of schedules, by the very rule that fires them. */
  readonly recurring: number
  /** Both, and what the hours before had no room for, as far as the limits let them start. */
  readonly starts: number
}

/** What will run of one type. */
export interface TypeForecast {
  readonly jobType: string
  readonly hours: readonly ForecastHour[]
  /** A living runner has a handler for it; without one nothing of this runs. */
  readonly handled: boolean
  /** It, or everything, is paused: nothing of this starts until somebody resumes it. */
  readonly paused: boolean
  /** Jobs that wait for something else than time, such as a busy or paused key: in no hour. */
  readonly waiting: number
  /** Jobs that limits or a pause leave over at the end of the last hour. */
  readonly leftOver: number
}

/** What is known at one moment. Hours count from `now`. */
export interface ForecastFacts {
  readonly now: Date
  readonly hours: number
  /** `hour` null: waits for something else. */
  readonly pending: readonly { readonly jobType: string; readonly hour: number | null; readonly count: number }[]
  readonly occurrences: readonly { readonly jobType: string; readonly at: Date }[]
  readonly handled: ReadonlySet<string>
  /** What holds back a type's starts; nothing, when it is missing. */
  readonly flows: ReadonlyMap<string, TypeFlow>
}

const HOUR_MS = 3_600_000

/** What will run when. Pure; types by name. */
export function forecastTypes(facts: ForecastFacts): TypeForecast[] {
  const types = new Set([...facts.pending.map(each => each.jobType), ...facts.occurrences.map(each => each.jobType)])
  return [...types].toSorted().map(jobType => forecastType(jobType, facts))
}

function forecastType(jobType: string, facts: ForecastFacts): TypeForecast {
  const { now, pending, occurrences, handled, flows } = facts
  const stored = Array.from({ length: facts.hours }, () => 0)
  const recurring = Array.from({ length: facts.hours }, () => 0)
  let waiting = 0
  for (const each of pending) {
    if (each.jobType !== jobType) continue
    if (each.hour === null) waiting += each.count
    else addTo(stored, each.hour, each.count)
  }
  for (const { jobType: type, at } of occurrences) {
    if (type === jobType) addTo(recurring, Math.max(0, Math.floor((at.getTime() - now.getTime()) / HOUR_MS)), 1)
  }
  const flow = flows.get(jobType)
  const wanted = stored.map((count, index) => count + (recurring[index] ?? 0))
  const starts = flow ? startsUnderLimits(wanted, flow, now.getTime()) : wanted
  const hours = stored.map((count, index) => ({
    from: new Date(now.getTime() + index * HOUR_MS),
    pending: count,
    recurring: recurring[index] ?? 0,
    starts: starts[index] ?? 0,
  }))
  const leftOver = sum(wanted) - sum(starts)
  return { jobType, hours, handled: handled.has(jobType), paused: flow?.paused ?? false, waiting, leftOver }
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, each) => total + each, 0)
}

function addTo(counts: number[], index: number, count: number): void {
  if (index < counts.length) counts[index] = (counts[index] ?? 0) + count
}
