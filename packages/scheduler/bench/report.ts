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
function tablesOf({ runs }: Results): Table[] {
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
    const head = [
      'variant (settings of the peer)',
      'library',
      ...shown.map(metric => metrics[metric].title),
      `${OURS} : it`,
    ]
    return [{ title: name, about, head, rows }]
  })
}

/** The figures people ask for first, one row per library, each peer with its best settings. */
export function summaryTable({ runs }: Results): Table {
  const columns: readonly (Of & { head: string; metrics: readonly MetricName[] })[] = [
    { head: 'drain, jobs/s', scenario: 'drain', variant: 'tuned, 1 process', metrics: ['rate'] },
    { head: 'with 2 processes', scenario: 'drain', variant: 'tuned, 2 processes', metrics: ['rate'] },
    { head: 'CPU µs/job', scenario: 'drain', variant: 'tuned, 1 process', metrics: ['cpuUs'] },
    { head: 'pick-up p50 / p99 ms', scenario: 'pickup', variant: 'tuned, same process', metrics: ['p50', 'p99'] },
    { head: 'lateness p50 / p99 ms', scenario: 'lateness', variant: 'tuned', metrics: ['p50', 'p99'] },
    { head: 'scheduled/s, 50 in flight', scenario: 'scheduling', variant: '50 in flight', metrics: ['rate'] },
    { head: 'in bulk', scenario: 'scheduling', variant: 'bulk of 1000', metrics: ['rate'] },
  ]
  const measured = columns.filter(column => whoIn(runs, column).length > 0)
  const everybody = [...new Set(measured.flatMap(column => whoIn(runs, column)))]
  const cell = (column: (typeof columns)[number], who: string) => {
    const figures = column.metrics.map(metric => number(spreadOf(runs, { ...column, who, metric })?.median)).join(' / ')
    const ratios = column.metrics.flatMap(metric => ratioOf(runs, { ...column, against: who, metric })?.median ?? [])
    if (who === OURS || ratios.length === 0) return figures
    return `${figures} (${ratios.map(number).join(' / ')} ×)`
  }
  const rows = everybody.map(who => [who, ...measured.map(column => cell(column, who))])
  const ratio = `the median ratio of ${OURS}'s figure to theirs, each run with the one right beside it`
  const about = `Medians; ${OURS} with its defaults, the others tuned for each column. In brackets: ${ratio}; for a p99 it may be far from the quotient of the two medians.`
  return { title: 'summary', about, head: ['library', ...measured.map(({ head }) => head)], rows }
}

/** Every table there is something to say in. */
export function allTables(results: Results): Table[] {
  return [summaryTable(results), ...tablesOf(results), verdictTable(results)].filter(({ rows }) => rows.length > 0)
}

/** What was measured, and when. */
export function measuredText({ machine, measuredAt, options }: Results): string {
  const rounds = options.rounds === 1 ? '1 round' : `${options.rounds} rounds`
  return `${machine}. ${measuredAt.slice(0, 10)}, ${rounds}, ${number(options.jobs)} jobs.`
}

/** The required figures, each with what was found. */
function verdictTable({ runs }: Results): Table {
  const rows = judge(runs).map(verdict => [
    whatText(verdict),
    requirementText(verdict.target),
    verdict.value === undefined ? '–' : `${number(verdict.value)}${verdict.target.against ? ' ×' : ''}`,
    verdict.outcome,
  ])
  const about = `${OURS} with its defaults; ratios are medians over pairs of neighbouring runs.`
  return { title: 'targets', about, head: ['what', 'required', 'found', ''], rows }
}

/** Share of one processor, in %, above which others disturb a run; a server's own kernel work stays below. */
const DISTURBING = 30

/** What the reader must know besides the tables, a line each: what was not run, what failed, what was disturbed. */
export function remarksOf({ runs, notRun }: Results): string[] {
  const watched = runs.flatMap(run => run.figures?.foreignShare ?? [])
  const disturbed = watched.filter(share => share > DISTURBING).length
  return [
    ...(disturbed > 0
      ? [
          `${disturbed} of ${watched.length} runs shared the machine with other work (over ${DISTURBING} % of a processor)`,
        ]
      : []),
    ...Object.entries(notRun).map(([peer, reason]) => `${peer}: not run: ${reason}`),
    ...runs
      .filter(run => run.error !== undefined)
      .map(run => `round ${run.round}, ${run.scenario}, ${run.variant}, ${run.who}: failed: ${firstLine(run.error)}`),
  ]
}

/** Everything, for a terminal. */
export function reportText(results: Results): string {
  const head = `\n${measuredText(results)} Each cell: median (least–most).\n`
  const remarks = remarksOf(results)
  return `${head}${allTables(results).map(aligned).join('')}${remarks.length > 0 ? `\n${remarks.join('\n')}\n` : ''}`
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
function number(value: number | undefined): string {
  if (value === undefined) return '–'
  if (!Number.isFinite(value)) return String(value)
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US')
  return String(Number(value.toPrecision(3)))
}

/** Of an error's text, which may go on with its stack. */
export function firstLine(text = ''): string {
  return text.split('\n')[0] ?? ''
}
