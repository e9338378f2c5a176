import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BelfryError, CancelError, RetryAfterError, SnoozeError } from '../src/index.ts'
import type { ExecutionCall, JobToStore } from '../src/job/middleware.ts'
import { openTelemetry } from '../src/telemetry/open-telemetry.ts'
import { readTraceParent, writeTraceParent } from '../src/telemetry/trace-parent.ts'
import { StrictTelemetry } from './support/strict-telemetry.ts'
import { jobContext } from './support/job-context.ts'

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
    context: jobContext({ ...facts, signal }),
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
