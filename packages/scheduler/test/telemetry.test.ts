import { PGlite } from '@electric-sql/pglite'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromPglite, type Database } from '../src/database/index.ts'
import { EventHub } from '../src/events.ts'
import { BelfryError, CancelError, RetryAfterError, Scheduler, silentLogger, SnoozeError } from '../src/index.ts'
import type { ExecutionCall, JobToStore } from '../src/job/middleware.ts'
import { collectMetrics, recordStats, type MetricSink } from '../src/telemetry/collect-metrics.ts'
import { METRICS, type Metric } from '../src/telemetry/metric-names.ts'
import { openTelemetry } from '../src/telemetry/open-telemetry.ts'
import { readTraceParent, writeTraceParent } from '../src/telemetry/trace-parent.ts'
import { TestClock } from '../src/testing/index.ts'
import { StrictTelemetry } from './support/strict-telemetry.ts'

const jobNamed = (jobId: string, jobType = 'mail'): JobToStore => ({
  jobId,
  jobType,
  payload: { to: 'ada@example.com' },
  scheduledTime: null,
  delayMs: 0,
  metadata: {},
})

function attemptOf(job: JobToStore, signal = new AbortController().signal): ExecutionCall {
  const facts = {
    jobId: job.jobId,
    jobType: job.jobType,
    attempt: 2,
    retryCount: 1,
    maxRetries: 3,
    scheduledTime: new Date(0),
    occurrence: null,
  }
  return {
    job: { ...facts, metadata: job.metadata },
    payload: job.payload,
    context: { ...facts, signal, logger: silentLogger, log: () => {}, progress: () => Promise.resolve() },
  }
}

const stored = (jobs: readonly JobToStore[]) => Promise.resolve(jobs.map(({ jobId }) => ({ jobId, conflict: false })))

describe('a traced job', () => {
  it('has a producer span where it was scheduled, and a consumer span of its own trace linked to it', async () => {
    const api = new StrictTelemetry()
    const { scheduling, execution } = openTelemetry({ api })
    const job = jobNamed('job-1')
    await scheduling({ jobs: [job] }, () => {
      expect(api.activeSpan?.name).toBe('schedule mail')
      return stored([job])
    })
    const sent = await execution(attemptOf(job), () => Promise.resolve(api.activeSpan?.name))
    expect(sent).toBe('process mail')
    const [producer, consumer] = api.spans
    expect(producer?.options.kind).toBe(api.SpanKind.PRODUCER)
    expect(producer?.attributes).toEqual({
      'messaging.system': 'belfry',
      'messaging.operation.type': 'send',
      'messaging.operation.name': 'schedule',
      'messaging.destination.name': 'mail',
      'messaging.message.id': 'job-1',
    })
    expect(consumer?.options).toMatchObject({
      kind: api.SpanKind.CONSUMER,
      root: true,
      links: [{ context: { ...producer?.spanContext(), isRemote: true } }],
    })
    expect(consumer?.attributes).toEqual({
      'messaging.system': 'belfry',
      'messaging.operation.type': 'process',
      'messaging.operation.name': 'process',
      'messaging.destination.name': 'mail',
      'messaging.message.id': 'job-1',
      'belfry.job.attempt': 2,
      'belfry.job.retry_count': 1,
    })
    expect(api.spans.map(span => [span.ended, span.status])).toEqual([
      [true, undefined],
      [true, undefined],
    ])
    expect(JSON.stringify(api.spans)).not.toContain('ada@example.com')
  })

  it('continues the trace it was scheduled in', async () => {
    const api = new StrictTelemetry()
    const { scheduling, execution } = openTelemetry({ api })
    const [parent, child] = [jobNamed('1'), jobNamed('2', 'receipt')]
    await execution(attemptOf(parent), () => scheduling({ jobs: [child] }, () => stored([child])))
    expect(api.spans[1]).toMatchObject({ name: 'schedule receipt', parent: api.spans[0] })
  })

  it('shares one producer span with the rest of its call, named by the type they share', async () => {
    const api = new StrictTelemetry()
    const { scheduling } = openTelemetry({ api })
    const alike = [jobNamed('1'), jobNamed('2')]
    const mixed = [jobNamed('3'), jobNamed('4', 'receipt')]
    for (const jobs of [alike, mixed, []]) await scheduling({ jobs }, () => stored(jobs))
    expect(api.spans.map(span => [span.name, span.attributes['messaging.batch.message_count']])).toEqual([
      ['schedule mail', 2],
      ['schedule', 2],
    ])
    expect(new Set(alike.map(job => job.metadata['traceparent'])).size).toBe(1)
  })

  it('keeps a traceparent it came with', async () => {
    const { scheduling } = openTelemetry({ api: new StrictTelemetry() })
    const job = jobNamed('1')
    const own = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`
    job.metadata['traceparent'] = own
    await scheduling({ jobs: [job] }, () => stored([job]))
    expect(job.metadata).toEqual({ traceparent: own })
  })

  it('that fails has its error on the span, whatever was thrown, and throws it on', async () => {
    const api = new StrictTelemetry()
    const { scheduling, execution } = openTelemetry({ api })
    const job = jobNamed('1')
    const refused = Object.assign(new Error('no such mailbox'), { code: 'E_MAILBOX' })
    await expect(execution(attemptOf(job), () => Promise.reject(refused))).rejects.toBe(refused)
    await expect(execution(attemptOf(job), () => Promise.reject(new RangeError('off')))).rejects.toThrow('off')
    await expect(execution(attemptOf(job), () => Promise.reject('just text'))).rejects.toBe('just text')
    await expect(scheduling({ jobs: [job] }, () => Promise.reject(refused))).rejects.toBe(refused)
    expect(api.spans.map(span => [span.attributes['error.type'], span.status, span.exceptions, span.ended])).toEqual([
      ['E_MAILBOX', { code: 2, message: 'no such mailbox' }, [refused], true],
      ['RangeError', { code: 2, message: 'off' }, [new RangeError('off')], true],
      ['string', { code: 2, message: 'just text' }, ['just text'], true],
      ['E_MAILBOX', { code: 2, message: 'no such mailbox' }, [refused], true],
    ])
  })

  it('that was put off, cancelled or interrupted is no error', async () => {
    const api = new StrictTelemetry()
    const { execution } = openTelemetry({ api })
    const job = jobNamed('1')
    const aborted = (code: 'BELFRY_JOB_CANCELLED' | 'BELFRY_SHUTDOWN' | 'BELFRY_JOB_TIMEOUT') => {
      const reason = new BelfryError(code, 'stop')
      return [reason, AbortSignal.abort(reason)] as const
    }
    for (const [error, signal] of [
      [new SnoozeError('1m')],
      [new RetryAfterError('1m')],
      [new CancelError('enough')],
      aborted('BELFRY_JOB_CANCELLED'),
      aborted('BELFRY_SHUTDOWN'),
      aborted('BELFRY_JOB_TIMEOUT'),
    ] as const) {
      await expect(execution(attemptOf(job, signal), () => Promise.reject(error))).rejects.toBe(error)
    }
    expect(api.spans.map(span => span.attributes['belfry.job.outcome'])).toEqual([
      'snoozed',
      'snoozed',
      'cancelled',
      'cancelled',
      'interrupted',
      undefined,
    ])
    expect(api.spans.map(span => span.status?.code)).toEqual([undefined, undefined, undefined, undefined, undefined, 2])
  })

  it('is done all the same when tracing breaks, at whatever step', async () => {
    const broken = () => {
      throw new Error('exporter down')
    }
    const api = new StrictTelemetry()
    const { context, SpanKind, SpanStatusCode } = api
    const half = { context, SpanKind, SpanStatusCode, trace: { ...api.trace, setSpan: broken } }
    const tracer = { startSpan: broken }
    const none = { context, SpanKind, SpanStatusCode, trace: { ...api.trace, getTracer: () => tracer } }
    for (const faulty of [half, none]) {
      const { scheduling, execution } = openTelemetry({ api: faulty })
      const job = jobNamed('1')
      expect(await scheduling({ jobs: [job] }, () => stored([job]))).toHaveLength(1)
      expect(await execution(attemptOf(job), () => Promise.resolve('done'))).toBe('done')
    }
    const { execution } = openTelemetry({ api })
    const ended = execution(attemptOf(jobNamed('1')), () => {
      api.activeSpan?.end()
      return Promise.resolve('done')
    })
    expect(await ended).toBe('done')
  })
})

describe('a traceparent', () => {
  const hex = (length: number) =>
    fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`)).filter(text => !/^0+$/.test(text))

  it('comes back as it was written', () => {
    fc.assert(
      fc.property(hex(32), hex(16), fc.integer({ min: 0, max: 255 }), (traceId, spanId, traceFlags) => {
        const text = writeTraceParent({ traceId, spanId, traceFlags })
        expect(text).toHaveLength(55)
        expect(readTraceParent(text)).toEqual({ traceId, spanId, traceFlags, isRemote: true })
      }),
    )
  })

  it('is nothing when nothing is traced, and anything else is no traceparent', () => {
    expect(writeTraceParent({ traceId: '0'.repeat(32), spanId: '0'.repeat(16), traceFlags: 0 })).toBeUndefined()
    const good = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    expect(readTraceParent(good.replace('00-', '01-') + '-more')).toMatchObject({ traceFlags: 1 })
    for (const bad of [
      undefined,
      '',
      'x',
      ` ${good}`,
      `${good}0`,
      good.toUpperCase(),
      good.replace('00', 'ff'),
      good.replaceAll('a', '0'),
    ]) {
      expect(readTraceParent(bad)).toBeUndefined()
    }
    fc.assert(fc.property(fc.string(), text => readTraceParent(text) === undefined))
  })
})

/** Sums and last values by `name{label="value"}`; strict about kinds and labels. */
class StrictSink implements MetricSink {
  readonly values = new Map<string, number>()
  readonly seen = new Map<string, number[]>()
  readonly names = new Set<string>()

  add(metric: Metric, value: number, labels: Readonly<Record<string, string>>): void {
    const key = this.#key(metric, 'counter', labels)
    this.values.set(key, (this.values.get(key) ?? 0) + value)
  }
  set(metric: Metric, value: number, labels: Readonly<Record<string, string>>): void {
    this.values.set(this.#key(metric, 'gauge', labels), value)
  }
  observe(metric: Metric, value: number, labels: Readonly<Record<string, string>>): void {
    const key = this.#key(metric, 'histogram', labels)
    this.seen.set(key, [...(this.seen.get(key) ?? []), value])
  }
  get(name: string): number | undefined {
    return this.values.get(name)
  }
  #key(metric: Metric, kind: Metric['kind'], labels: Readonly<Record<string, string>>): string {
    expect([metric.kind, Object.keys(labels)]).toEqual([kind, metric.labels])
    this.names.add(metric.name)
    const written = Object.entries(labels).map(([name, value]) => `${name}=${value}`)
    return `${metric.name}{${written.join()}}`
  }
}

describe('metrics', () => {
  let pglite: PGlite
  let database: Database
  beforeAll(async () => {
    pglite = await PGlite.create()
    database = fromPglite(pglite)
  })
  afterAll(() => pglite.close())

  it('count what a scheduler did', async () => {
    const clock = new TestClock()
    const scheduler = new Scheduler({ database, clock })
    const sink = new StrictSink()
    const stop = collectMetrics(scheduler, sink)
    await scheduler.migrate()
    const busy: (number | undefined)[] = []
    scheduler.registerHandler('mail', () => {
      busy.push(sink.get('belfry_runner_busy_slots{}'))
      clock.advance('2s')
    })
    scheduler.registerHandler('broken', () => Promise.reject(new Error('no')))
    await scheduler.scheduleJob('mail', { uniqueKey: 'once' })
    await scheduler.scheduleJob('mail', { uniqueKey: 'once' })
    await scheduler.scheduleJob('broken', { maxRetries: 1 })
    await scheduler.runDueJobs()
    expect(sink.get('belfry_jobs_scheduled_total{type=mail}')).toBe(1)
    expect(sink.get('belfry_job_attempts_total{type=mail,outcome=completed}')).toBe(1)
    expect(sink.get('belfry_job_attempts_total{type=broken,outcome=failed}')).toBe(1)
    expect(sink.seen.get('belfry_job_run_seconds{type=mail}')).toEqual([2])
    expect(busy[0]).toBeGreaterThan(0)
    expect(sink.get('belfry_runner_busy_slots{}')).toBe(0)
    recordStats(await scheduler.getStats(), sink)
    expect(sink.get('belfry_jobs{type=mail,status=completed}')).toBe(1)
    expect(sink.get('belfry_jobs{type=broken,status=pending}')).toBe(1)
    stop()
    await scheduler.scheduleJob('mail', {})
    expect(sink.get('belfry_jobs_scheduled_total{type=mail}')).toBe(1)
  })

  it('count crashes, database errors and waits, and a job that is told of twice only once', () => {
    const events = new EventHub(error => {
      throw error
    })
    const sink = new StrictSink()
    collectMetrics(events, sink)
    const about = { jobId: '1', jobType: 'mail', attempt: 1 }
    const started = { ...about, waitMs: 250 }
    events.emit('job:started', started)
    const interrupted = { ...about, outcome: 'interrupted', durationMs: 0, willRetry: true, error: undefined } as const
    events.emit('job:settled', interrupted)
    events.emit('job:lease-lost', about)
    expect(sink.get('belfry_runner_busy_slots{}')).toBe(0)
    expect(sink.seen.get('belfry_job_wait_seconds{type=mail}')).toEqual([0.25])
    events.emit('job:rescued', { jobId: '2', jobType: 'mail', gaveUp: false })
    events.emit('database:error', { during: 'claim', error: new Error('gone') })
    expect(sink.get('belfry_leases_expired_total{}')).toBe(1)
    expect(sink.get('belfry_job_attempts_total{type=mail,outcome=lost}')).toBe(1)
    expect(sink.get('belfry_db_errors_total{}')).toBe(1)
  })

  it('have bounded labels, however many types there are, and lose no count by it', () => {
    const events = new EventHub(error => {
      throw error
    })
    const sink = new StrictSink()
    collectMetrics(events, sink, { maxTypes: 2 })
    for (let number = 0; number < 50; number += 1) {
      events.emit('job:scheduled', { jobId: `${number}`, jobType: `type_${number}`, conflict: false })
    }
    expect([...sink.values]).toEqual([
      ['belfry_jobs_scheduled_total{type=type_0}', 1],
      ['belfry_jobs_scheduled_total{type=type_1}', 1],
      ['belfry_jobs_scheduled_total{type=other}', 48],
    ])
    const counts = { pending: 1, running: 0, completed: 0, failed: 0, cancelled: 0 }
    const types = ['a', 'b', 'c'].map((jobType, index) => ({ jobType, counts, oldestDueMs: index * 1_000 }))
    recordStats({ types }, sink, { maxTypes: 1 })
    expect(sink.get('belfry_jobs{type=other,status=pending}')).toBe(2)
    expect(sink.get('belfry_oldest_due_seconds{type=a}')).toBe(0)
    expect(sink.get('belfry_oldest_due_seconds{type=other}')).toBe(2)
  })

  it('have names in the spelling of Prometheus, and rising buckets', () => {
    for (const metric of Object.values<Metric>(METRICS)) {
      expect(metric.name).toMatch(/^belfry_[a-z_]+$/)
      expect(metric.name.endsWith('_total')).toBe(metric.kind === 'counter')
      expect(metric.buckets !== undefined).toBe(metric.kind === 'histogram')
      expect(metric.buckets).toEqual(metric.buckets?.toSorted((a, b) => a - b))
    }
  })
})
