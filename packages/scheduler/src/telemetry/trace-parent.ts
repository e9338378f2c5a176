import type { TelemetrySpanContext } from './open-telemetry-api.ts'

/** The key of a job's metadata its trace is kept under, and the name of the W3C Trace Context header of this form. */
export const TRACEPARENT = 'traceparent'

const NOTHING_TRACED = /^0+$/

/** `00-<trace>-<span>-<flags>` as W3C Trace Context writes it; undefined when nothing is traced. */
export function writeTraceParent({ traceId, spanId, traceFlags }: TelemetrySpanContext): string | undefined {
  if (NOTHING_TRACED.test(traceId) || NOTHING_TRACED.test(spanId)) return undefined
  return `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, '0')}`
}

/** The span a `traceparent` names; undefined for anything that is none. */
export function readTraceParent(text: string | undefined): TelemetrySpanContext | undefined {
  // Later versions may append fields; `ff` is no version (W3C Trace Context, section 3.2.2).
  const found = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/.exec(text ?? '')
  const [, traceId = '0', spanId = '0', flags = '0'] = found ?? []
  if (NOTHING_TRACED.test(traceId) || NOTHING_TRACED.test(spanId)) return undefined
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true }
}
