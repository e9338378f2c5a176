import { JUDGED_FROM_MINUTES } from './levels.ts'
import type { SoakReport } from './soak.ts'

/** More of them say nothing more. */
const SENTENCES = 20

/** What a run has shown, for a person; `kept` is the verdict. */
export function tellReport(report: SoakReport): { readonly text: string; readonly kept: boolean } {
  const { broken, levels, minutes, seed, jobs, attempts, faults, governed } = report
  const judged = minutes >= JUDGED_FROM_MINUTES
  const unlevel = levels.filter(level => !level.level)
  const kept = broken.length === 0 && (!judged || unlevel.length === 0)
  const list = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')
  const rows = levels.map(({ title, before, after, times, plus, level }) => [
    title,
    figure(before),
    figure(after),
    figure(before * times + plus),
    !judged ? '' : level ? 'level' : 'NOT LEVEL',
  ])
  const lines = [
    `jobs      ${jobs.acknowledged} acknowledged, ${jobs.doubtful} calls in doubt`,
    `attempts  ${list(attempts)}`,
    `faults    ${list(faults)}`,
    `governed  ${governed.mostAtOnce} at once at most, limit ${governed.limit}`,
    '',
    ...table([['level', '2nd fifth', 'last fifth', 'at most', ''], ...rows]),
    '',
    ...(judged ? [] : [`Levels are not judged: that takes a run of ${JUDGED_FROM_MINUTES} minutes or more.`]),
    ...broken.slice(0, SENTENCES).map(sentence => `BROKEN: ${sentence}`),
    ...(broken.length > SENTENCES ? [`… and ${broken.length - SENTENCES} more`] : []),
    ...(judged
      ? unlevel.map(({ title, before, after }) => `NOT LEVEL: ${title} from ${figure(before)} to ${figure(after)}`)
      : []),
    kept
      ? `Every promise was kept${judged ? ' and every level held' : ''} (seed ${seed}).`
      : `Something is broken; the same faults in the same order: --seed ${seed}`,
  ]
  return { text: `${lines.join('\n')}\n`, kept }
}

function figure(value: number): string {
  if (Number.isNaN(value)) return '-'
  return value >= 100 ? String(Math.round(value)) : value.toFixed(1)
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0))) ?? []
  return rows.map(([name = '', ...cells]) =>
    [name.padEnd(widths[0] ?? 0), ...cells.map((cell, n) => cell.padStart(widths[n + 1] ?? 0))].join('  ').trimEnd(),
  )
}
