import { ratioOf, spreadOf, whoIn, type Of } from './comparison.ts'
import { metrics, type MetricName, type Run } from './measurement.ts'
import { OURS } from './peers/catalog.ts'

/** What must hold: a ratio of ours to another's, or a figure of ours alone. */
export interface Target extends Of {
  readonly metric: MetricName
  /** A peer, a baseline, or `best peer`; absent: the figure itself. */
  readonly against?: string
  readonly atLeast?: number
  readonly atMost?: number
}

export interface Verdict {
  readonly target: Target
  /** The ratio or figure; undefined when not measured. */
  readonly value: number | undefined
  /** Whom it was held against, when that was to be found out. */
  readonly against: string | undefined
  readonly outcome: 'met' | 'missed' | 'not measured'
}

const one = { scenario: 'drain', variant: 'tuned, 1 process' } as const
const two = { scenario: 'drain', variant: 'tuned, 2 processes' } as const
const defaults = { scenario: 'drain', variant: 'default, 1 process' } as const
const near = { scenario: 'pickup', variant: 'tuned, same process' } as const
const far = { scenario: 'pickup', variant: 'tuned, across processes' } as const
const timed = { scenario: 'lateness', variant: 'tuned' } as const
const flight = { scenario: 'scheduling', variant: '50 in flight' } as const
const bulk = { scenario: 'scheduling', variant: 'bulk of 1000' } as const
const big = { scenario: 'big-table', variant: 'future and finished jobs', against: `${OURS}, empty table` } as const
const both = { scenario: 'sustained', variant: 'tuned' } as const
const memory = { scenario: 'memory', variant: 'tuned' } as const

/** Ours runs with its defaults in each of them. */
export const targets: readonly Target[] = [
  { ...one, metric: 'rate', against: 'graphile-worker', atLeast: 1.6 },
  { ...one, metric: 'rate', against: 'pg-boss', atLeast: 2.3 },
  { ...one, metric: 'rate', against: 'bullmq', atLeast: 4 },
  { ...one, metric: 'rate', against: 'bullmq-postgres', atLeast: 20 },
  { ...one, metric: 'rate', against: 'sidequest', atLeast: 20 },
  { ...one, metric: 'rate', against: 'dbos', atLeast: 20 },
  { ...one, metric: 'rate', against: 'agenda', atLeast: 20 },
  { ...defaults, metric: 'rate', against: 'graphile-worker', atLeast: 15 },
  { ...defaults, metric: 'rate', against: 'bullmq', atLeast: 15 },
  { ...two, metric: 'rate', against: 'graphile-worker', atLeast: 1.4 },
  { ...one, metric: 'cpuUs', against: 'graphile-worker', atMost: 0.75 },
  { ...near, metric: 'p50', against: 'graphile-worker', atMost: 0.5 },
  { ...near, metric: 'p99', against: 'graphile-worker', atMost: 0.5 },
  { ...near, metric: 'p50', against: 'bullmq', atMost: 1.2 },
  { ...near, metric: 'p99', against: 'bullmq', atMost: 1.2 },
  { ...far, metric: 'p50', against: 'graphile-worker', atMost: 0.5 },
  { ...far, metric: 'p99', against: 'graphile-worker', atMost: 0.5 },
  { ...far, metric: 'p50', against: 'bullmq', atMost: 1.2 },
  { ...far, metric: 'p99', against: 'bullmq', atMost: 1.2 },
  { ...timed, metric: 'p50', atMost: 2 },
  { ...timed, metric: 'p99', atMost: 10 },
  { ...timed, metric: 'earliest', atLeast: -1 },
  { ...timed, metric: 'p99', against: 'best peer', atMost: 0.5 },
  // Within 1.1 times the time of a bare INSERT, as a rate.
  { scenario: 'bare-insert', variant: 'one by one', metric: 'rate', against: 'bare INSERT', atLeast: 1 / 1.1 },
  { ...flight, metric: 'rate', against: 'graphile-worker', atLeast: 15 },
  { ...flight, metric: 'rate', against: 'bullmq', atLeast: 0.8 },
  { ...bulk, metric: 'rate', against: 'best peer', atLeast: 1.4 },
  { ...big, metric: 'rate', atLeast: 0.85 },
  { ...big, metric: 'p50', atMost: 1.2 },
  { ...big, metric: 'p99', atMost: 1.2 },
  { ...both, metric: 'rate', against: 'graphile-worker', atLeast: 5 },
  { ...memory, metric: 'peakMb', atMost: 200 },
  { ...memory, metric: 'idleMb', atMost: 80 },
]

export function judge(runs: readonly Run[]): Verdict[] {
  return targets.map(target => {
    const against = target.against === 'best peer' ? bestPeer(runs, target) : target.against
    const value = valueOf(runs, target, against)
    if (value === undefined) return { target, value, against, outcome: 'not measured' }
    const met = value >= (target.atLeast ?? -Infinity) && value <= (target.atMost ?? Infinity)
    return { target, value, against, outcome: met ? 'met' : 'missed' }
  })
}

function valueOf(runs: readonly Run[], target: Target, against: string | undefined): number | undefined {
  if (target.against === undefined) return spreadOf(runs, { ...target, who: OURS })?.median
  return against === undefined ? undefined : ratioOf(runs, { ...target, against })?.median
}

function bestPeer(runs: readonly Run[], target: Target): string | undefined {
  const others = whoIn(runs, target).filter(who => who !== OURS)
  const ranked = others.flatMap(who => {
    const figure = spreadOf(runs, { ...target, who })?.median
    return figure === undefined ? [] : [{ who, figure }]
  })
  const sign = metrics[target.metric].better === 'more' ? -1 : 1
  return ranked.toSorted((a, b) => sign * (a.figure - b.figure))[0]?.who
}
