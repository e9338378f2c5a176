import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

/** An entry point of the package: what is imported, and its declarations inside `dist`. */
export interface EntryPoint {
  readonly specifier: string
  readonly file: string
}

/** One name of the reference with everything that is said about it. */
export interface ApiName {
  readonly name: string
  /** Declaration file, relative to `dist`. */
  readonly file: string
  /** Text of its docstring, without comment signs; empty when there is none. */
  readonly doc: string
  /** Its declarations; several for a function with overloads. */
  readonly code: string
  /** Not imported by anybody, only named by what is. */
  readonly unexported: boolean
}

/** Headings in the order of the page, with the files whose names they gather; the first that fits. */
const AREAS: readonly (readonly [title: string, files: RegExp])[] = [
  ['The scheduler', /^(scheduler\.|options)/],
  ['Scheduling', /^(scheduling\/|store\/cancel-job)/],
  ['Jobs and handlers', /^job\//],
  ['Recurring schedules', /^recurring\//],
  ['Administration', /^administration\//],
  ['Events and numbers', /^(events|stats|maintenance\/)/],
  ['Isolation', /^isolation\//],
  ['Telemetry', /^telemetry\//],
  ['Webhooks', /^webhooks\//],
  ['Errors', /^errors/],
  ['Time, durations, logs', /^runtime\//],
  ['Databases and transactions', /^database\/(database\.|node-postgres|pglite|adapters\/)/],
  ['Migrations', /^database\/migrator/],
  ['For tests', /^testing\//],
  ['Tools', /./],
]

const HEAD = `# API reference

Every name the package publishes, with its docstring. Made by \`npm run docs:api\`: change the docstring, not this page.
For a first job begin with [writing a job](writing-a-job.md).
`

/** Everything an entry point publishes, in the order of its file, then what those declarations name beside it. */
export async function readApi(dist: string, entry: EntryPoint): Promise<ApiName[]> {
  const modules = new Map<string, Promise<Module>>()
  const moduleOf = (file: string) => {
    const read = modules.get(file) ?? readModule(dist, file)
    modules.set(file, read)
    return read
  }
  const wanted = (await moduleOf(entry.file)).reExports.map(each => ({ ...each, unexported: false }))
  const found = new Map<string, ApiName>()
  // Grows while it is read: a declaration may name another that nobody exports.
  for (const { name, file, unexported } of wanted) {
    const module = await moduleOf(file)
    const declared = module.declarations.get(name)
    if (!declared || found.has(name)) continue
    found.set(name, { name, file, ...declared, unexported })
    for (const word of wordsOf(declared.code)) {
      const from = module.declarations.has(word) ? file : module.imports.get(word)
      if (from !== undefined) wanted.push({ name: word, file: from, unexported: true })
    }
  }
  return [...found.values()]
}

/** The page: entry points, areas, names. Names that an earlier entry point has already shown are not shown again. */
export function writePage(entries: readonly { entry: EntryPoint; api: readonly ApiName[] }[]): string {
  const published = new Set(entries.flatMap(({ api }) => api.filter(each => !each.unexported).map(each => each.name)))
  const shown = new Set<string>()
  const sections = entries.map(({ entry, api }) => {
    const fresh = api.filter(each => !shown.has(each.name) && !(each.unexported && published.has(each.name)))
    for (const { name } of fresh) shown.add(name)
    const formatted = format(fresh)
    const areas = AREAS.map(([title]) => {
      const names = formatted.filter(each => areaOf(each.file) === title)
      const ordered = [...names.filter(each => !each.unexported), ...names.filter(each => each.unexported)]
      return ordered.length === 0 ? '' : [`### ${title}\n`, ...ordered.map(describeName)].join('\n')
    })
    return [`## \`${entry.specifier}\`\n`, ...areas.filter(Boolean)].join('\n')
  })
  return [HEAD, ...sections].join('\n')
}

function areaOf(file: string): string | undefined {
  return AREAS.find(([, files]) => files.test(file))?.[0]
}

function describeName({ name, doc, code, unexported }: ApiName): string {
  const note = unexported ? 'Part of the types here; not exported by itself.\n' : ''
  return [`#### \`${name}\`\n`, doc && `${markdownOf(doc)}\n`, note, `\`\`\`ts\n${code}\n\`\`\`\n`]
    .filter(Boolean)
    .join('\n')
}

/** A docstring as Markdown: its tags become a list. */
function markdownOf(doc: string): string {
  const [text = '', ...tags] = doc.split(/\n(?=@)|^(?=@)/)
  const items = tags.map(tag =>
    tag
      .replace(/^@param (\S+) /, '- `$1`: ')
      .replace(/^@throws (\S+) ?/, '- throws `$1` ')
      .replaceAll(/\n\s*/g, '\n  '),
  )
  return [text.trim(), items.join('\n')].filter(Boolean).join('\n\n')
}

interface Module {
  readonly declarations: ReadonlyMap<string, { readonly doc: string; readonly code: string }>
  /** Names from other files of the package, by name. */
  readonly imports: ReadonlyMap<string, string>
  readonly reExports: readonly { readonly name: string; readonly file: string }[]
}

const DECLARATION = /^(?:export )?(?:declare )?(?:class|interface|type|function|const) (\w+)/
const FROM = /^(import|export) (?:type )?\{([^}]*)\} from '(\.[^']+)'/

/** Reads a declaration file as the compiler writes them: every statement begins at the left edge. */
async function readModule(dist: string, file: string): Promise<Module> {
  const declarations = new Map<string, { doc: string; code: string }>()
  const imports = new Map<string, string>()
  const reExports: { name: string; file: string }[] = []
  let doc = ''
  for (const statement of statementsOf(await readFile(join(dist, file), 'utf8'))) {
    if (statement.startsWith('/**')) {
      doc = uncommented(statement)
      continue
    }
    const from = FROM.exec(statement)
    if (from) {
      const [, kind, names = '', path = ''] = from
      const target = posix.join(dirname(file), path).replace(/\.ts$/, '.d.ts')
      for (const name of names.split(',').map(each => each.trim().replace(/^type /, ''))) {
        if (kind === 'import') imports.set(name, target)
        else if (name !== '') reExports.push({ name, file: target })
      }
    }
    const name = DECLARATION.exec(statement)?.[1]
    if (name !== undefined) {
      const before = declarations.get(name)
      const code = statement.replace(/^ {4}#private;\n/m, '').trimEnd()
      declarations.set(name, before ? { doc: before.doc, code: `${before.code}\n${code}` } : { doc, code })
    }
    doc = ''
  }
  return { declarations, imports, reExports }
}

/** Comments and statements of a declaration file, each with the lines that belong to it. */
function statementsOf(text: string): string[] {
  const parts: string[] = []
  for (const part of piecesOf(text)) {
    const last = parts.at(-1) ?? ''
    // The compiler writes a union's comments at the left edge too; such a type ends with its semicolon only.
    const open = /^(?:export )?(?:declare )?type /.test(last) && !last.trimEnd().endsWith(';')
    if (open) parts.splice(-1, 1, last + part)
    else parts.push(part)
  }
  return parts
}

function piecesOf(text: string): string[] {
  return text.split(/^(?=\/\*\*|(?:export|import|declare|type|interface) )|(?<=^ ?\*\/\n)|(?<=^\/\*\*.*\*\/\n)/m)
}

function uncommented(comment: string): string {
  return comment
    .trim()
    .replace(/^\/\*\*\s?/, '')
    .replace(/\s*\*\/$/, '')
    .replaceAll(/^ \* ?/gm, '')
    .trim()
}

/** Names used in a declaration, not in its comments or texts. */
function wordsOf(code: string): Set<string> {
  const bare = code.replaceAll(/\/\*\*[^]*?\*\//g, '').replaceAll(/'[^']*'|"[^"]*"/g, '')
  return new Set(bare.match(/[A-Z]\w*/g))
}

/** Formats all declarations in one go, in the style of this repository. */
function format(names: readonly ApiName[]): ApiName[] {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const biome = join(root, 'node_modules/@biomejs/biome/bin/biome')
  const input = names.map(({ name, code }) => `// ${name}\n${code}`).join('\n')
  const args = [biome, 'format', '--stdin-file-path', 'api-reference.d.ts']
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, input, encoding: 'utf8' })
  if (status !== 0) throw new Error(`the declarations could not be formatted: ${stderr}`)
  const blocks = stdout.split(/^\/\/ \w+\n/m).slice(1)
  return names.map((each, index) => ({
    ...each,
    code: (blocks[index] ?? '').replaceAll(/^(?:export )?(?:declare )?/gm, '').trim(),
  }))
}
