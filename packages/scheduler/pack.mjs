// What `npm pack` publishes, made small: code without comments, and of the types those that an entry point leads to.
// Docstrings stay in the types, where editors read them. Usage: node pack.mjs [folder, default dist]
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const project = dirname(fileURLToPath(import.meta.url))
const dist = resolve(process.argv[2] ?? join(project, 'dist'))
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
const ENTRIES = ['index', 'cli/index', 'database/index', 'testing/index']

/** TypeScript has one switch for comments in code and in types: hence two passes. */
function compile(...flags) {
  const always = ['-p', project, '--outDir', dist, '--composite', 'false', '--incremental', 'false']
  execFileSync(process.execPath, [tsc, ...always, '--tsBuildInfoFile', 'null', ...flags], { stdio: 'inherit' })
}

/** The declarations that `file` leads to, itself among them. */
function reach(file, seen = new Set()) {
  if (seen.has(file)) return seen
  seen.add(file)
  for (const [, path] of readFileSync(file, 'utf8').matchAll(/(?:\bfrom|\bimport\(|\bimport)\s*['"](\.[^'"]+)['"]/g))
    reach(resolve(dirname(file), path.replace(/\.[jt]s$/, '.d.ts')), seen)
  return seen
}

// Without the notes of incremental builds the next ordinary build writes everything anew.
rmSync(dist, { recursive: true, force: true })
compile('--declaration', '--emitDeclarationOnly')
compile('--declaration', 'false', '--removeComments')

const needed = new Set(ENTRIES.flatMap(entry => [...reach(join(dist, `${entry}.d.ts`))]))
for (const each of readdirSync(dist, { recursive: true }))
  if (each.endsWith('.d.ts') && !needed.has(join(dist, each))) rmSync(join(dist, each))
