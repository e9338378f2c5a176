import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { allTables, remarksOf, measuredText, type Table } from './report.ts'
import type { Results } from './results.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Pages that may have a place for the tables: all of them, or some. */
const pages = ['docs/performance.md', 'docs/comparison.md', 'README.md', 'packages/scheduler/README.md']

/** `<!-- bench -->` … `<!-- /bench -->`: every table. `<!-- bench drain -->` … `<!-- /bench -->`: the named ones. */
const place = /(<!-- bench(?<names>(?: [a-z-]+)*) -->\n)[\s\S]*?(<!-- \/bench -->)/g

/** Replaces what is between the marks of each page; answers the pages that had some. */
export async function writeIntoPages(results: Results): Promise<string[]> {
  const written: string[] = []
  for (const page of pages) {
    const before = await readFile(join(root, page), 'utf8')
    const after = before.replace(place, (_, open: string, names: string, close: string) => {
      const wanted = names.trim().split(' ').filter(Boolean)
      return `${open}\n${markdownOf(results, wanted)}\n${close}`
    })
    if (after === before) continue
    await writeFile(join(root, page), after)
    written.push(page)
  }
  return written
}

/** The tables as Markdown, all or those named. */
export function markdownOf(results: Results, wanted: readonly string[] = []): string {
  const tables = allTables(results).filter(({ title }) => wanted.length === 0 || wanted.includes(title))
  const remarks = wanted.length === 0 ? remarksOf(results).map(remark => `- ${remark}`) : []
  const parts = [
    measuredText(results),
    ...tables.map(markdownTable),
    ...(remarks.length > 0 ? [remarks.join('\n')] : []),
  ]
  return `${parts.join('\n\n')}\n`
}

function markdownTable({ title, about, head, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  const table = [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n')
  return `**${title}**: ${about}\n\n${table}`
}
