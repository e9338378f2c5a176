import type { PopulationReport } from './population.ts'

/** Stories that are told of broken invariants; more of one bug teach nothing. */
const TOLD = 3

/** Adds up what several worlds have counted. */
export function sumOf(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const each of all) for (const [name, count] of Object.entries(each)) sum[name] = (sum[name] ?? 0) + count
  return sum
}

/** What was broken, the stories of those it happened to, and how to see it happen again. */
export function tellViolations(report: Pick<PopulationReport, 'seed' | 'violations'>, again: string): string {
  const { seed, violations } = report
  if (violations.length === 0) return `seed ${seed}: every invariant held`
  const told = new Map(violations.map(each => [`${each.invariant} ${each.userId}`, each])).values()
  return [
    `seed ${seed} breaks ${violations.length === 1 ? 'an invariant' : `invariants ${violations.length} times`}:`,
    ...[...told]
      .slice(0, TOLD)
      .flatMap(each => [
        `  ${each.invariant}: ${each.userId}, ${new Date(each.at).toISOString()}: ${each.detail}`,
        ...each.story.map(line => `      ${line}`),
      ]),
    `replay: ${again}`,
  ].join('\n')
}

/** Two columns: what, and how often. */
export function tableOf(title: string, counts: Readonly<Record<string, number>>): string {
  const rows = Object.entries(counts).toSorted(([a], [b]) => a.localeCompare(b))
  const width = Math.max(...rows.map(([name]) => name.length), title.length)
  return [title, ...rows.map(([name, count]) => `  ${name.padEnd(width)} ${String(count).padStart(10)}`)].join('\n')
}
