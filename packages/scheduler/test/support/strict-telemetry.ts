import { AsyncLocalStorage } from 'node:async_hooks'
import type {
  OpenTelemetryApi,
  TelemetryContext,
  TelemetrySpan,
  TelemetrySpanContext,
  TelemetrySpanOptions,
} from '../../src/telemetry/open-telemetry-api.ts'

/** A span that remembers everything and minds the order: nothing after its end, one end. */
export class StrictSpan implements TelemetrySpan {
  readonly attributes: Record<string, unknown>
  readonly exceptions: unknown[] = []
  status: { code: number; message?: string } | undefined
  ended = false
  readonly name: string
  readonly options: TelemetrySpanOptions
  /** The span that was active where it began. */
  readonly parent: StrictSpan | undefined
  readonly #context: TelemetrySpanContext

  constructor(begun: { name: string; options: TelemetrySpanOptions; parent: StrictSpan | undefined; number: number }) {
    this.name = begun.name
    this.options = begun.options
    this.parent = begun.options.root ? undefined : begun.parent
    this.attributes = { ...begun.options.attributes }
    const spanId = begun.number.toString(16).padStart(16, '0')
    this.#context = { traceId: this.parent?.spanContext().traceId ?? spanId.repeat(2), spanId, traceFlags: 1 }
  }

  spanContext(): TelemetrySpanContext {
    return this.#context
  }
  setAttribute(name: string, value: unknown): void {
    this.#mustBeOpen()
    if (!['string', 'number', 'boolean'].includes(typeof value)) throw new Error(`${name}: no attribute value`)
    this.attributes[name] = value
  }
  setStatus(status: { code: number; message?: string }): void {
    this.#mustBeOpen()
    this.status = status
  }
  recordException(exception: Error | string): void {
    this.#mustBeOpen()
    this.exceptions.push(exception)
  }
  end(): void {
    this.#mustBeOpen()
    this.ended = true
  }
  #mustBeOpen(): void {
    if (this.ended) throw new Error(`span ${this.name} has ended already`)
  }
}

class StrictContext implements TelemetryContext {
  readonly span: StrictSpan | undefined
  constructor(span: StrictSpan | undefined) {
    this.span = span
  }
  getValue(): unknown {
    return undefined
  }
  setValue(): TelemetryContext {
    return this
  }
  deleteValue(): TelemetryContext {
    return this
  }
}

/** An `@opentelemetry/api` that keeps its spans and takes no context it did not make. */
export class StrictTelemetry implements OpenTelemetryApi {
  readonly spans: StrictSpan[] = []
  readonly #active = new AsyncLocalStorage<StrictContext>()
  readonly SpanKind = { PRODUCER: 3, CONSUMER: 4 }
  readonly SpanStatusCode = { ERROR: 2 }

  readonly trace = {
    getTracer: () => ({
      startSpan: (name: string, options: TelemetrySpanOptions, context: TelemetryContext): StrictSpan => {
        const parent = mine(context).span
        const span = new StrictSpan({ name, options, parent, number: this.spans.length + 1 })
        this.spans.push(span)
        return span
      },
    }),
    setSpan: (context: TelemetryContext, span: TelemetrySpan): StrictContext => {
      mine(context)
      if (!(span instanceof StrictSpan)) throw new Error('a foreign span')
      return new StrictContext(span)
    },
  }

  readonly context = {
    active: (): StrictContext => this.#active.getStore() ?? new StrictContext(undefined),
    with: <Result>(context: TelemetryContext, work: () => Result): Result => this.#active.run(mine(context), work),
  }

  get activeSpan(): StrictSpan | undefined {
    return this.context.active().span
  }
}

function mine(context: TelemetryContext): StrictContext {
  if (!(context instanceof StrictContext)) throw new Error('a foreign context')
  return context
}
