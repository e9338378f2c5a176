import { ratioOf, spreadOf, whoIn, type Of, type Spread } from './comparison.ts'
import { metrics, type Figures, type MetricName, type Run } from './measurement.ts'
import { OURS } from './peers/catalog.ts'
import type { Results } from './results.ts'
import { scenarios } from './scenarios/all.ts'
import { judge, type Target, type Verdict } from './targets.ts'

/** A table: its heading, then rows of the same width. */
export interface Table {
  readonly title: string
  readonly about: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

const metricNames = Object.keys(metrics) as MetricName[]

/** The figures worth a ratio, by what the scenario measured. */
const compared: readonly MetricName[] = ['rate', 'p50', 'p99', 'idleMb', 'peakMb']

/** One table per scenario: a row per variant and library, medians with their extremes, and how ours compares. */
export function tablesOf({ runs }: Results): Table[] {
  return scenarios.flatMap(({ name, about, variants }) => {
    const own = runs.filter(run => run.scenario === name)
    if (own.length === 0) return []
    const shown = metricNames.filter(metric => own.some(run => run.figures?.[metric] !== undefined))
    const rows = variants.flatMap(variant => {
      const of = { scenario: name, variant: variant.name }
      return whoIn(own, of).map(who => [
        variant.name,
        who,
        ...shown.map(metric => spreadText(spreadOf(own, { ...of, who, metric }))),
        who === OURS ? '' : ratiosText(own, { ...of, who }),
      ])
    })
    const head = ['variant', 'library', ...shown.map(metric => metrics[metric].title), `${OURS} : it`]
    return [{ title: name, about, head, rows }]
  })
}

/** The required figures, each with what was found. */
export function verdictTable({ runs }: Results): Table {
  const rows = judge(runs).map(verdict => [
    whatText(verdict),
    requirementText(verdict.target),
    verdict.value === undefined ? '–' : `${number(verdict.value)}${verdict.target.against ? ' ×' : ''}`,
    verdict.outcome,
  ])
  const about = `${OURS} with its defaults; ratios are medians over pairs of neighbouring runs.`
  return { title: 'targets', about, head: ['what', 'required', 'found', ''], rows }
}

/** Runs that failed, and peers that were not run, a line each. */
export function gapsOf({ runs, notRun }: Results): string[] {
  return [
    ...Object.entries(notRun).map(([peer, reason]) => `${peer}: not run: ${reason}`),
    ...runs
      .filter(run => run.error !== undefined)
      .map(run => `round ${run.round}, ${run.scenario}, ${run.variant}, ${run.who}: failed: ${firstLine(run.error)}`),
  ]
}

/** Everything, for a terminal. */
export function reportText(results: Results): string {
  const { machine, measuredAt, options } = results
  const head = `\n${machine}\n${measuredAt}, ${options.rounds} rounds; each cell: median (least–most)\n`
  const gaps = gapsOf(results)
  const tables = [...tablesOf(results), verdictTable(results)]
  return `${head}${tables.map(aligned).join('')}${gaps.length > 0 ? `\n${gaps.join('\n')}\n` : ''}`
}

/** One run's figures in a line. */
export function figuresText(figures: Figures): string {
  return metricNames
    .flatMap(metric => {
      const value = figures[metric]
      return value === undefined ? [] : [`${metrics[metric].title} ${number(value)}`]
    })
    .join(', ')
}

function aligned({ title, about, head, rows }: Table): string {
  const widths = head.map((text, column) => Math.max(text.length, ...rows.map(row => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]) => cells.map((text, column) => text.padEnd(widths[column] ?? 0)).join('  ')
  return `\n${title}: ${about}\n${[head, ...rows].map(row => line(row).trimEnd()).join('\n')}\n`
}

function ratiosText(runs: readonly Run[], of: Of & { who: string }): string {
  const ratios = compared.flatMap(metric => {
    const ratio = ratioOf(runs, { ...of, against: of.who, metric })
    return ratio ? [{ metric, text: `${spreadText(ratio)} ×` }] : []
  })
  return ratios.map(({ metric, text }) => (ratios.length > 1 ? `${metrics[metric].title} ${text}` : text)).join(', ')
}

function spreadText(spread: Spread | undefined): string {
  if (!spread) return '–'
  const extremes = `${number(spread.least)}–${number(spread.most)}`
  return spread.runs > 1 ? `${number(spread.median)} (${extremes})` : number(spread.median)
}

function whatText({ target, against }: Verdict): string {
  const held = target.against === 'best peer' ? `best peer${against ? ` (${against})` : ''}` : target.against
  const what = `${target.scenario}, ${target.variant}: ${metrics[target.metric].title}`
  return held === undefined ? what : `${what}, ${OURS} : ${held}`
}

function requirementText({ atLeast, atMost, against }: Target): string {
  const times = against === undefined ? '' : ' ×'
  return atLeast === undefined ? `≤ ${number(atMost ?? 0)}${times}` : `≥ ${number(atLeast)}${times}`
}

/** Three digits that matter; whole from a hundred on. */
function number(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US')
  return String(Number(value.toPrecision(3)))
}

/** Of an error's text, which may go on with its stack. */
export function firstLine(text = ''): string {
  return text.split('\n')[0] ?? ''
}
