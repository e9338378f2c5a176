import {
  collectMetrics,
  openTelemetry,
  recordStats,
  Scheduler,
  type AnyJobDefinition,
  type MetricSink,
  type OpenTelemetryApi,
} from 'belfry'
import type { Database } from 'belfry/database'

/** Where traces and figures go: `import * as api from '@opentelemetry/api'`, and a sink. */
export interface Observers {
  readonly api: OpenTelemetryApi
  readonly sink: MetricSink
}

/** A scheduler whose calls and attempts are spans, and whose events are figures. */
export function observed(database: Database, jobs: readonly AnyJobDefinition[], { api, sink }: Observers) {
  const tracing = openTelemetry({ api })
  const scheduler = new Scheduler({
    database,
    jobs,
    middleware: { scheduling: [tracing.scheduling], execution: [tracing.execution] },
  })
  const stop = collectMetrics(scheduler, sink)
  /** For when the figures are asked for: how many jobs there are, and how long the oldest has waited. */
  const scrape = async () => recordStats(await scheduler.getStats(), sink)
  return { scheduler, scrape, stop }
}
