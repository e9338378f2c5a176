import type { SchedulerEventName, SchedulerEvents } from '../events.ts'
import type { JobStatus } from '../job/job.ts'
import type { ProcessLoad } from '../runtime/process-meter.ts'
import { METRICS, type Metric } from './metric-names.ts'

/** Values of a metric's labels, by name. */
export type MetricLabels = Readonly<Record<string, string>>

/** Where figures go: Prometheus, OpenTelemetry, a log. `metric` says how to register it when it comes for the first time. */
export interface MetricSink {
  /** A counter grows by `value`. */
  add(metric: Metric, value: number, labels: MetricLabels): void
  /** A histogram sees `value`. */
  observe(metric: Metric, value: number, labels: MetricLabels): void
  /** A gauge stands at `value`. */
  set(metric: Metric, value: number, labels: MetricLabels): void
}

/** What is listened to: a scheduler. */
export interface EventSource {
  on<Name extends SchedulerEventName>(name: Name, listener: (event: SchedulerEvents[Name]) => void): () => void
}

/** The label of every job type past the bound: unbounded labels are what kills a metrics server. */
const OTHER = 'other'
const MOST_TYPES = 200

/**
 * Turns a scheduler's events into metrics, for as long as nobody calls the function it answers with.
 * @param options.maxTypes job types that get a label of their own, first come, first served; the rest is `other`.
 *   Default 200
 */
export function collectMetrics(source: EventSource, sink: MetricSink, options: { maxTypes?: number } = {}): () => void {
  const labelOf = typeLabels(options.maxTypes ?? MOST_TYPES)
  const running = new Set<string>()
  const track = (change: () => void) => {
    change()
    sink.set(METRICS.runnerBusySlots, running.size, {})
  }
  const keyOf = (event: { jobId: string; attempt: number }) => `${event.attempt} ${event.jobId}`
  const stops = [
    source.on('job:scheduled', ({ jobType, conflict }) => {
      if (!conflict) sink.add(METRICS.jobsScheduled, 1, { type: labelOf(jobType) })
    }),
    source.on('job:started', event => {
      track(() => running.add(keyOf(event)))
      if (event.waitMs === null) return
      sink.observe(METRICS.jobWaitSeconds, event.waitMs / 1_000, { type: labelOf(event.jobType) })
    }),
    source.on('job:settled', event => {
      const type = labelOf(event.jobType)
      track(() => running.delete(keyOf(event)))
      sink.add(METRICS.jobAttempts, 1, { type, outcome: event.outcome })
      sink.observe(METRICS.jobRunSeconds, event.durationMs / 1_000, { type })
    }),
    source.on('job:lease-lost', event => track(() => running.delete(keyOf(event)))),
    source.on('job:rescued', ({ jobType }) => {
      sink.add(METRICS.leasesExpired, 1, {})
      sink.add(METRICS.jobAttempts, 1, { type: labelOf(jobType), outcome: 'lost' })
    }),
    source.on('runner:claimed', ({ durationMs }) => sink.observe(METRICS.claimSeconds, durationMs / 1_000, {})),
    source.on('runner:heartbeat', ({ load }) => recordLoad(load, sink)),
    source.on('database:error', () => sink.add(METRICS.dbErrors, 1, {})),
    source.on('hints:unheard', () => sink.add(METRICS.dbErrors, 1, {})),
  ]
  return () => stops.forEach(stop => stop())
}

function recordLoad(load: ProcessLoad, sink: MetricSink): void {
  const set = (metric: Metric, value: number | null) => {
    if (value !== null) sink.set(metric, value, {})
  }
  const seconds = (ms: number | null) => (ms === null ? null : ms / 1_000)
  set(METRICS.processCpuShare, load.cpuShare)
  set(METRICS.processMemoryBytes, load.memoryBytes)
  set(METRICS.eventLoopDelaySeconds, seconds(load.eventLoopDelayMs))
  set(METRICS.eventLoopBlockedSeconds, seconds(load.eventLoopBlockedMs))
}

/** The part of `getStats()` that gauges are made of. */
export interface MeasuredStats {
  readonly types: readonly {
    readonly jobType: string
    readonly counts: Readonly<Record<JobStatus, number>>
    /** How long the oldest due job of the type has been waiting. */
    readonly oldestDueMs?: number | null
  }[]
}

/** Writes what a look at the database showed; call it when the metrics are asked for. The same bound on types. */
export function recordStats(stats: MeasuredStats, sink: MetricSink, options: { maxTypes?: number } = {}): void {
  const labelOf = typeLabels(options.maxTypes ?? MOST_TYPES)
  const counts = new Map<string, { type: string; status: string; count: number }>()
  const oldest = new Map<string, number>()
  for (const each of stats.types) {
    const type = labelOf(each.jobType)
    for (const [status, count] of Object.entries(each.counts)) {
      const key = `${status} ${type}`
      counts.set(key, { type, status, count: count + (counts.get(key)?.count ?? 0) })
    }
    if (each.oldestDueMs !== undefined) oldest.set(type, Math.max(oldest.get(type) ?? 0, each.oldestDueMs ?? 0))
  }
  for (const { type, status, count } of counts.values()) sink.set(METRICS.jobs, count, { type, status })
  for (const [type, ms] of oldest) sink.set(METRICS.oldestDueSeconds, ms / 1_000, { type })
}

function typeLabels(maxTypes: number): (jobType: string) => string {
  const known = new Set<string>()
  return jobType => {
    if (known.has(jobType)) return jobType
    if (known.size >= maxTypes) return OTHER
    known.add(jobType)
    return jobType
  }
}
