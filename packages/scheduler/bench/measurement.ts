/** What one run measured, by the names of `metrics`. */
export type Figures = Readonly<Partial<Record<MetricName, number>>>

export type MetricName = keyof typeof metrics

/** Every figure, its unit, and which way is better. */
export const metrics = {
  rate: { title: 'jobs/s', better: 'more' },
  storeUs: { title: 'store µs/job', better: 'less' },
  nodeUs: { title: 'Node µs/job', better: 'less' },
  cpuUs: { title: 'CPU µs/job', better: 'less' },
  foreignShare: { title: 'other CPU %', better: 'less' },
  p50: { title: 'p50 ms', better: 'less' },
  p99: { title: 'p99 ms', better: 'less' },
  earliest: { title: 'earliest ms', better: 'more' },
  again: { title: 'run again', better: 'less' },
  missing: { title: 'never begun', better: 'less' },
  startP99: { title: 'p99 ms, first tenth', better: 'less' },
  endP99: { title: 'p99 ms, last tenth', better: 'less' },
  startMb: { title: 'tables MB, start', better: 'less' },
  endMb: { title: 'tables MB, end', better: 'less' },
  deadRows: { title: 'dead rows, most', better: 'less' },
  idleMb: { title: 'idle MB', better: 'less' },
  peakMb: { title: 'busiest MB', better: 'less' },
} as const

/** One run of one library: either figures or what went wrong. */
export interface Run {
  readonly scenario: string
  readonly variant: string
  /** The library, or what else ours is held against (`bare INSERT`, `belfry, empty table`). */
  readonly who: string
  readonly round: number
  /** Runs with the same number were made one right after the other. */
  readonly pair: number
  readonly figures?: Figures
  readonly error?: string
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** The smallest value that at least `share` (0 to 1) of the values do not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}
