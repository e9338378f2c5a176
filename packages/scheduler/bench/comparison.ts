import { median, type MetricName, type Run } from './measurement.ts'
import { OURS } from './peers/catalog.ts'

/** One figure over the rounds. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
  readonly runs: number
}

/** Which runs: those of one scenario's variant. */
export interface Of {
  readonly scenario: string
  readonly variant: string
}

/** Median and extremes of a figure; undefined when nobody measured it. */
export function spreadOf(runs: readonly Run[], of: Of & { who: string; metric: MetricName }): Spread | undefined {
  const values = runs.filter(run => isOf(run, of) && run.who === of.who).flatMap(run => figure(run, of.metric))
  return spread(values)
}

/** Ours divided by another's, each pair of neighbouring runs for itself: what the machine did to both cancels out. */
export function ratioOf(runs: readonly Run[], of: Of & { against: string; metric: MetricName }): Spread | undefined {
  const mine = runs.filter(run => isOf(run, of) && run.who === OURS)
  const ratios = runs
    .filter(run => isOf(run, of) && run.who === of.against)
    .flatMap(other => {
      const [ours] = mine.filter(run => run.pair === other.pair).flatMap(run => figure(run, of.metric))
      const [theirs] = figure(other, of.metric)
      return ours === undefined || theirs === undefined || theirs === 0 ? [] : [ours / theirs]
    })
  return spread(ratios)
}

/** Everybody who has runs, ours first. */
export function whoIn(runs: readonly Run[], of: Of): string[] {
  const all = new Set(runs.filter(run => isOf(run, of)).map(run => run.who))
  return [...all].toSorted((a, b) => Number(b === OURS) - Number(a === OURS))
}

function isOf(run: Run, of: Of): boolean {
  return run.scenario === of.scenario && run.variant === of.variant
}

function figure(run: Run, metric: MetricName): number[] {
  const value = run.figures?.[metric]
  return value === undefined || value === null || Number.isNaN(value) ? [] : [value]
}

function spread(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined
  return { median: median(values), least: Math.min(...values), most: Math.max(...values), runs: values.length }
}
