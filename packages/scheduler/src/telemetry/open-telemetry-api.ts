/**
 * The parts of `@opentelemetry/api` (1.x) that are used, as shapes: the package itself is handed in by whoever has it.
 */
export interface OpenTelemetryApi {
  readonly trace: {
    getTracer(name: string, version: string): TelemetryTracer
    setSpan(context: TelemetryContext, span: TelemetrySpan): TelemetryContext
  }
  readonly context: {
    active(): TelemetryContext
    with<Result>(context: TelemetryContext, work: () => Result): Result
  }
  readonly SpanKind: { readonly PRODUCER: number; readonly CONSUMER: number }
  readonly SpanStatusCode: { readonly ERROR: number }
}

export interface TelemetryContext {
  getValue(key: symbol): unknown
  setValue(key: symbol, value: unknown): TelemetryContext
  deleteValue(key: symbol): TelemetryContext
}

export interface TelemetryTracer {
  startSpan(name: string, options: TelemetrySpanOptions, context: TelemetryContext): TelemetrySpan
}

export interface TelemetrySpanOptions {
  readonly kind: number
  readonly attributes: Record<string, string | number | boolean>
  readonly links?: { context: TelemetrySpanContext }[]
  /** Begins a trace of its own. */
  readonly root?: boolean
}

export interface TelemetrySpan {
  spanContext(): TelemetrySpanContext
  setAttribute(name: string, value: string | number | boolean): unknown
  setStatus(status: { code: number; message?: string }): unknown
  recordException(exception: Error | string): void
  end(): void
}

export interface TelemetrySpanContext {
  /** 32 lower-case hexadecimal digits; all 0 when nothing is traced. */
  readonly traceId: string
  /** 16 lower-case hexadecimal digits. */
  readonly spanId: string
  /** Bit 0: the trace is sampled. */
  readonly traceFlags: number
  readonly isRemote?: boolean
}
