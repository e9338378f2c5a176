import { describe, expect, it } from 'vitest'
import { HandlerSpans } from './soak/handler-spans.ts'
import { levelsOf, type Sample } from './soak/levels.ts'
import { readOptions } from './soak/options.ts'
import { runSoak } from './soak/soak.ts'

/** Faults go on for ten seconds of it; what comes before and after takes as long as the machine likes. */
const PATIENCE_MS = 240_000
const TEN_SECONDS = 1 / 6
/** A seed that draws each kind of fault within ten seconds, on a machine that has time for it. */
const EVERY_FAULT = 2158

describe('a soak', () => {
  it('of ten seconds keeps every promise', { timeout: PATIENCE_MS }, async () => {
    const lines: string[] = []
    const report = await runSoak(
      { minutes: TEN_SECONDS, processes: 3, rate: 40, seed: EVERY_FAULT },
      { say: line => lines.push(line), stopped: new AbortController().signal },
    )
    expect(report.broken).toEqual([])
    expect(report.jobs.acknowledged).toBeGreaterThan(0)
    expect(report.attempts.completed).toBeGreaterThan(0)
    expect(Object.values(report.faults).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0)
    expect(lines.at(-1)).toContain('faults have ceased')
  })

  it('that is stopped early says so and judges nothing', { timeout: PATIENCE_MS }, async () => {
    const stopping = new AbortController()
    const soaking = runSoak(
      { minutes: 60, processes: 2, rate: 10, seed: 1 },
      { say: () => stopping.abort(new Error('enough')), stopped: stopping.signal },
    )
    await expect(soaking).rejects.toThrow('enough')
  })

  it('refuses options that mean nothing', () => {
    expect(readOptions(['--minutes', '0.5', '--seed', '7'])).toEqual({ minutes: 0.5, processes: 3, rate: 100, seed: 7 })
    expect(() => readOptions(['--minutes', '0'])).toThrow('--minutes: expected a number above 0, got "0"')
    expect(() => readOptions(['--processes', '1'])).toThrow('--processes: expected a whole number from 2 up, got "1"')
    expect(() => readOptions(['--hours', '1'])).toThrow('--hours')
  })
})

describe('the verdict of a soak', () => {
  const line = (event: string, jobId: string, atUs: number) => JSON.stringify({ event, jobId, attempt: 1, atUs })

  it('counts the handlers that ran at once, without attempts that were lost', () => {
    const spans = new HandlerSpans()
    spans.read(line('handler-began', 'a', 0))
    spans.read(line('handler-began', 'b', 10))
    spans.read(line('handler-ended', 'a', 20))
    spans.read(line('handler-began', 'c', 20))
    spans.read(line('handler-ended', 'b', 30))
    spans.read(line('handler-ended', 'c', 40))
    spans.read(line('handler-began', 'frozen', 5))
    spans.read(line('handler-ended', 'frozen', 35))
    expect(spans.mostAtOnce(new Set(['frozen #1']))).toBe(2)
    expect(spans.mostAtOnce(new Set())).toBe(3)
  })

  it('compares the last fifth with the second, by medians', () => {
    const sample = (atMs: number, handles: number, residentMb = 80): Sample => ({
      atMs,
      handles,
      residentMb,
      delayP50Ms: 1,
      delayP99Ms: Number.NaN,
      tablesMb: 1,
      deadRows: 0,
    })
    const samples = [sample(100, 99), sample(250, 10), sample(300, 11), sample(350, 90), sample(850, 12)]
    const handles = (more: Sample) => levelsOf([...samples, more], 1_000).find(({ figure }) => figure === 'handles')
    expect(handles(sample(900, 14))).toMatchObject({ before: 11, after: 13, level: true })
    expect(handles(sample(900, 40))).toMatchObject({ before: 11, after: 26, level: false })
    const missing = levelsOf(samples, 1_000).find(({ figure }) => figure === 'delayP99Ms')
    expect(missing).toMatchObject({ before: Number.NaN, level: false })
  })
})
