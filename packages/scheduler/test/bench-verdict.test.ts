import { describe, expect, it } from 'vitest'
import { ratioOf, spreadOf } from '../bench/comparison.ts'
import { median, percentile, type Figures, type Run } from '../bench/measurement.ts'
import { judge, targets, type Verdict } from '../bench/targets.ts'

const of = { scenario: 'drain', variant: 'tuned, 1 process' }

function run(who: string, pair: number, figures: Figures): Run {
  return { ...of, who, round: 1, pair, figures }
}

function verdict(runs: readonly Run[], like: { scenario: string; metric: string; against?: string }): Verdict {
  const found = judge(runs).find(
    ({ target }) =>
      target.scenario === like.scenario && target.metric === like.metric && target.against === like.against,
  )
  if (!found) throw new Error(`no target like ${JSON.stringify(like)}`)
  return found
}

describe('the verdict of the bench', () => {
  it('compares ours with the run right beside it, so that a slow hour of the machine cancels out', () => {
    const runs = [
      run('pg-boss', 1, { rate: 20_000 }),
      run('belfry', 1, { rate: 60_000 }),
      run('belfry', 2, { rate: 6_000 }),
      run('pg-boss', 2, { rate: 2_000 }),
      run('belfry', 3, { rate: 70_000 }),
    ]
    expect(ratioOf(runs, { ...of, against: 'pg-boss', metric: 'rate' })).toEqual({
      median: 3,
      least: 3,
      most: 3,
      runs: 2,
    })
    expect(spreadOf(runs, { ...of, who: 'belfry', metric: 'rate' })).toMatchObject({ median: 60_000, runs: 3 })
  })

  it('says met, missed, or not measured', () => {
    const like = { scenario: 'drain', metric: 'rate', against: 'graphile-worker' }
    const beside = (rate: number) => [run('graphile-worker', 1, { rate: 10_000 }), run('belfry', 1, { rate })]
    expect(verdict(beside(16_000), like)).toMatchObject({ value: 1.6, outcome: 'met' })
    expect(verdict(beside(15_900), like)).toMatchObject({ outcome: 'missed' })
    expect(verdict([], like)).toMatchObject({ value: undefined, outcome: 'not measured' })
  })

  it('does not take a failed run for a measured one', () => {
    const failed = { ...of, who: 'graphile-worker', round: 1, pair: 1, error: 'its process ended' }
    const like = { scenario: 'drain', metric: 'rate', against: 'graphile-worker' }
    expect(verdict([failed, run('belfry', 1, { rate: 1 })], like).outcome).toBe('not measured')
  })

  it('finds the best peer by the figure: the highest rate, the lowest delay', () => {
    const bulk = { scenario: 'scheduling', variant: 'bulk of 1000', round: 1 }
    const timed = { scenario: 'lateness', variant: 'tuned', round: 1 }
    const runs: Run[] = [
      { ...bulk, who: 'bullmq', pair: 1, figures: { rate: 30_000 } },
      { ...bulk, who: 'belfry', pair: 1, figures: { rate: 90_000 } },
      { ...bulk, who: 'graphile-worker', pair: 2, figures: { rate: 60_000 } },
      { ...bulk, who: 'belfry', pair: 2, figures: { rate: 90_000 } },
      { ...timed, who: 'bullmq', pair: 3, figures: { p99: 40 } },
      { ...timed, who: 'belfry', pair: 3, figures: { p99: 10 } },
      { ...timed, who: 'dbos', pair: 4, figures: { p99: 400 } },
      { ...timed, who: 'belfry', pair: 4, figures: { p99: 10 } },
    ]
    expect(verdict(runs, { scenario: 'scheduling', metric: 'rate', against: 'best peer' })).toMatchObject({
      against: 'graphile-worker',
      value: 1.5,
      outcome: 'met',
    })
    expect(verdict(runs, { scenario: 'lateness', metric: 'p99', against: 'best peer' })).toMatchObject({
      against: 'bullmq',
      value: 0.25,
      outcome: 'met',
    })
  })

  it('calls an early job early', () => {
    const timed = (earliest: number): Run[] => [
      { scenario: 'lateness', variant: 'tuned', who: 'belfry', round: 1, pair: 1, figures: { earliest } },
    ]
    expect(verdict(timed(-0.4), { scenario: 'lateness', metric: 'earliest' }).outcome).toBe('met')
    expect(verdict(timed(-1.5), { scenario: 'lateness', metric: 'earliest' }).outcome).toBe('missed')
  })

  it('has one bound for each target', () => {
    for (const { atLeast, atMost } of targets)
      expect([atLeast, atMost].filter(bound => bound !== undefined)).toHaveLength(1)
  })
})

describe('medians and percentiles', () => {
  it('take the middle, or the mean of the two in it', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
  })

  it('take the smallest value that the share does not exceed', () => {
    const values = Array.from({ length: 200 }, (_, index) => index + 1)
    expect(percentile(values, 0.5)).toBe(100)
    expect(percentile(values, 0.99)).toBe(198)
    expect(percentile([7], 0.99)).toBe(7)
  })
})
