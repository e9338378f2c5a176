import { BelfryError } from '../errors.ts'
import { CancelError, RetryAfterError, SnoozeError } from '../job/control-errors.ts'
import { recordError } from '../job/error-record.ts'
import type { ExecutionCall, ExecutionMiddleware, SchedulingCall, SchedulingMiddleware } from '../job/middleware.ts'
import { VERSION } from '../version.ts'
import type { OpenTelemetryApi, TelemetrySpan, TelemetryTracer } from './open-telemetry-api.ts'
import { readTraceParent, TRACEPARENT, writeTraceParent } from './trace-parent.ts'

/** The two middlewares that trace jobs. */
export interface OpenTelemetryMiddleware {
  /** A producer span per scheduling call. */
  readonly scheduling: SchedulingMiddleware
  /** A consumer span per attempt, a trace of its own, linked to the span that scheduled the job. */
  readonly execution: ExecutionMiddleware
}

/**
 * Traces jobs by OpenTelemetry's semantic conventions for messaging: destination = job type, message = job.
 * Nothing of a payload gets into a span; the messages of errors do. A fault of the tracing never becomes one of a job.
 * @param options.api the namespace of `@opentelemetry/api`: `import * as api from '@opentelemetry/api'`
 */
export function openTelemetry({ api }: { api: OpenTelemetryApi }): OpenTelemetryMiddleware {
  const tracer = api.trace.getTracer('belfry', VERSION)
  return {
    scheduling: (call, next) => {
      const span = call.jobs.length === 0 ? undefined : quietly(() => producerSpan(api, tracer, call))
      if (!span) return next()
      return inSpan({ api, span, next, fail: error => markFailed(api, span, error) })
    },
    execution: (call, next) => {
      const span = quietly(() => consumerSpan(api, tracer, call))
      if (!span) return next()
      return inSpan({ api, span, next, fail: error => markThrown({ api, span, error, signal: call.context.signal }) })
    },
  }
}

/** One span for the whole call: thousands of jobs stored by one statement are one thing that happened. */
function producerSpan(api: OpenTelemetryApi, tracer: TelemetryTracer, { jobs }: SchedulingCall): TelemetrySpan {
  const [first] = jobs
  const destination = first && jobs.every(job => job.jobType === first.jobType) ? first.jobType : undefined
  const attributes = {
    ...MESSAGING,
    'messaging.operation.type': 'send',
    'messaging.operation.name': 'schedule',
    ...(destination !== undefined && { 'messaging.destination.name': destination }),
    ...(first && jobs.length === 1
      ? { 'messaging.message.id': first.jobId }
      : { 'messaging.batch.message_count': jobs.length }),
  }
  const name = destination === undefined ? 'schedule' : `schedule ${destination}`
  const span = tracer.startSpan(name, { kind: api.SpanKind.PRODUCER, attributes }, api.context.active())
  const traceParent = writeTraceParent(span.spanContext())
  if (traceParent !== undefined) for (const job of jobs) job.metadata[TRACEPARENT] ??= traceParent
  return span
}

/** Linked, not a child: a job may run days after the trace that scheduled it has ended. */
function consumerSpan(api: OpenTelemetryApi, tracer: TelemetryTracer, { job }: ExecutionCall): TelemetrySpan {
  const attributes = {
    ...MESSAGING,
    'messaging.operation.type': 'process',
    'messaging.operation.name': 'process',
    'messaging.destination.name': job.jobType,
    'messaging.message.id': job.jobId,
    'belfry.job.attempt': job.attempt,
    'belfry.job.retry_count': job.retryCount,
  }
  const scheduledBy = readTraceParent(job.metadata[TRACEPARENT])
  const links = scheduledBy ? [{ context: scheduledBy }] : []
  const options = { kind: api.SpanKind.CONSUMER, attributes, links, root: true }
  return tracer.startSpan(`process ${job.jobType}`, options, api.context.active())
}

const MESSAGING = { 'messaging.system': 'belfry' }

async function inSpan<Result>(work: {
  api: OpenTelemetryApi
  span: TelemetrySpan
  next: () => Promise<Result>
  fail: (error: unknown) => void
}): Promise<Result> {
  const { api, span, next, fail } = work
  const inside = quietly(() => api.trace.setSpan(api.context.active(), span))
  try {
    return await (inside ? api.context.with(inside, next) : next())
  } catch (error) {
    quietly(() => fail(error))
    throw error
  } finally {
    quietly(() => span.end())
  }
}

/** A snooze, a cancel and a shutdown are thrown as well, but nothing failed. */
function markThrown(thrown: { api: OpenTelemetryApi; span: TelemetrySpan; error: unknown; signal: AbortSignal }): void {
  const { api, span, error, signal } = thrown
  const outcome = harmlessOutcome(error, signal.reason)
  if (outcome === undefined) markFailed(api, span, error)
  else span.setAttribute('belfry.job.outcome', outcome)
}

function harmlessOutcome(error: unknown, abortReason: unknown): string | undefined {
  const aborted = abortReason instanceof BelfryError ? abortReason.code : undefined
  if (error instanceof CancelError || aborted === 'BELFRY_JOB_CANCELLED') return 'cancelled'
  if (aborted === 'BELFRY_SHUTDOWN') return 'interrupted'
  return error instanceof SnoozeError || error instanceof RetryAfterError ? 'snoozed' : undefined
}

function markFailed(api: OpenTelemetryApi, span: TelemetrySpan, error: unknown): void {
  const { code, message } = recordError(error)
  span.setAttribute('error.type', code ?? (error instanceof Error ? error.name : typeof error))
  span.setStatus({ code: api.SpanStatusCode.ERROR, message })
  span.recordException(error instanceof Error ? error : message)
}

/** Exporters and processors are other people's code, called in the middle of ours. */
function quietly<Result>(work: () => Result): Result | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
