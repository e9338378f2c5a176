import { readFile } from 'node:fs/promises'
import type { PGlite } from '@electric-sql/pglite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromPglite, type Database } from '../src/database/index.ts'
import { EventHub } from '../src/events.ts'
import { Scheduler } from '../src/index.ts'
import { collectMetrics, recordStats, type MetricSink } from '../src/telemetry/collect-metrics.ts'
import { METRICS, type Metric } from '../src/telemetry/metric-names.ts'
import { TestClock } from '../src/testing/index.ts'
import { createPglite } from '../../../test-support/embedded-database.ts'

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
    pglite = await createPglite()
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
    clock.advance('3s')
    await scheduler.runDueJobs()
    expect(sink.get('belfry_jobs_scheduled_total{type=mail}')).toBe(1)
    expect(sink.get('belfry_job_attempts_total{type=mail,outcome=completed}')).toBe(1)
    expect(sink.get('belfry_job_attempts_total{type=broken,outcome=failed}')).toBe(1)
    expect(sink.seen.get('belfry_job_run_seconds{type=mail}')).toEqual([2])
    expect(sink.seen.get('belfry_job_wait_seconds{type=mail}')).toEqual([3])
    expect(sink.seen.get('belfry_claim_seconds{}')?.length).toBeGreaterThan(0)
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
    events.emit('job:started', { ...about, waitMs: 250 })
    const interrupted = { ...about, outcome: 'interrupted', durationMs: 0, willRetry: true, error: undefined } as const
    events.emit('job:settled', interrupted)
    events.emit('job:lease-lost', about)
    expect(sink.get('belfry_runner_busy_slots{}')).toBe(0)
    expect(sink.seen.get('belfry_job_wait_seconds{type=mail}')).toEqual([0.25])
    events.emit('job:rescued', { jobId: '2', jobType: 'mail', gaveUp: false })
    events.emit('database:error', { during: 'claim', error: new Error('gone') })
    const load = { cpuShare: 0.5, memoryBytes: 1e8, eventLoopDelayMs: 20, eventLoopBlockedMs: null }
    events.emit('runner:heartbeat', { runnerId: '3', running: 0, load })
    expect(sink.get('belfry_process_cpu_share{}')).toBe(0.5)
    expect(sink.get('belfry_process_memory_bytes{}')).toBe(1e8)
    expect(sink.get('belfry_event_loop_delay_seconds{}')).toBe(0.02)
    expect(sink.get('belfry_event_loop_blocked_seconds{}')).toBeUndefined()
    expect(sink.get('belfry_leases_expired_total{}')).toBe(1)
    expect(sink.get('belfry_job_attempts_total{type=mail,outcome=lost}')).toBe(1)
    events.emit('hints:unheard', { error: new Error('gone'), pollIntervalMs: 30_000 })
    expect(sink.get('belfry_db_errors_total{}')).toBe(2)
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

  it('are all in the table of docs/telemetry.md, and no other', async () => {
    const page = await readFile(new URL('../../../docs/telemetry.md', import.meta.url), 'utf8')
    const rows = [...page.matchAll(/^\| (`belfry_.*) \|$/gm)].map(([, row]) => row)
    const wanted = Object.values<Metric>(METRICS).map(({ name, kind, labels, help }) => {
      return [`\`${name}\``, kind, labels.join(', ') || '–', help].join(' | ')
    })
    expect(rows).toEqual(wanted)
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
