import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { publint } from 'publint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const run = promisify(execFile)
const workspace = fileURLToPath(new URL('../../..', import.meta.url))
const tool = (file: string) => join(workspace, 'node_modules', file)
const tsc = tool('typescript/bin/tsc')

interface Packed {
  readonly filename: string
  readonly size: number
  readonly files: readonly { readonly path: string }[]
}

let folder: string
let tarball: string
let packed: Packed
let project: string

/** Node runs a tool or a script of the consumer's; what it printed. */
const node = async (args: readonly string[], cwd = project) => {
  const { stdout } = await run(process.execPath, args, { cwd }).catch((error: { stdout?: string; message: string }) => {
    throw new Error(`${error.message}\n${error.stdout}`, { cause: error })
  })
  return stdout
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'belfry-package-'))
  const stage = join(folder, 'stage')
  // A build of its own: other tests run programs from `dist` meanwhile.
  const scheduler = join(workspace, 'packages/scheduler')
  for (const name of ['package.json', 'README.md', 'LICENSE', 'src', 'test']) {
    await cp(join(scheduler, name), join(stage, name), { recursive: true })
  }
  await node([join(scheduler, 'pack.mjs'), join(stage, 'dist')], workspace)
  await writeFile(join(stage, 'dist/core.js.map'), '{}')
  await writeFile(join(stage, '.env'), 'SECRET=1')
  const npm = { cwd: stage, shell: process.platform === 'win32' }
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], npm)
  const answer = JSON.parse(stdout) as Packed[] | Record<string, Packed>
  packed = Object.values(answer)[0]!
  tarball = join(folder, packed.filename)

  project = join(folder, 'project')
  await mkdir(project)
  const linked = ['croner', '@standard-schema/spec', '@electric-sql/pglite', '@types/node']
  await writeFile(
    join(project, 'package.json'),
    JSON.stringify({
      private: true,
      dependencies: {
        belfry: `file:${tarball}`,
        ...Object.fromEntries(linked.map(name => [name, `file:${tool(name)}`])),
      },
    }),
  )
  const flags = ['--offline', '--no-audit', '--no-fund', '--no-package-lock']
  await run('npm', ['install', ...flags], { ...npm, cwd: project })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('the published package', () => {
  it('holds the built code, its types, README, LICENSE, and nothing else', () => {
    const paths = packed.files.map(file => file.path)
    expect(paths.filter(path => !path.startsWith('dist/')).toSorted((a, b) => a.localeCompare(b))).toEqual([
      'LICENSE',
      'package.json',
      'README.md',
    ])
    const built = paths.filter(path => path.startsWith('dist/'))
    expect(built.filter(path => !/\.(js|d\.ts)$/.test(path))).toEqual([])
    const modules = built.filter(path => path.endsWith('.js'))
    const typed = built.filter(path => path.endsWith('.d.ts'))
    expect(typed.map(path => path.replace(/\.d\.ts$/, '.js')).filter(path => !built.includes(path))).toEqual([])
    expect(modules.length).toBeGreaterThan(50)
  })

  it('explains itself in the editor: public types keep their docstrings', async () => {
    const types = await readFile(join(project, 'node_modules/belfry/dist/scheduler.d.ts'), 'utf8')
    expect(types).toMatch(/\* Schedules one job\.[^]*@throws BelfryError[^]*\*\/\s+scheduleJob</)
  })

  // 306,200 bytes in November 2026, 20,000 more than at the beginning of that month: simulated worlds, checks of options,
  // deadlines. graphile-worker 0.18 has 130,000, pg-boss 12.38 331,000, BullMQ 6.7 631,000, and all of them bring drivers
  // along. Whoever meets this limit looks what grew.
  it('is small', () => {
    expect(packed.size).toBeLessThan(315_000)
  })

  it('carries no comments in its code and no types that nobody can reach', async () => {
    const installed = join(project, 'node_modules/belfry')
    const store = packed.files.filter(({ path }) => path.startsWith('dist/store/') && path.endsWith('.d.ts'))
    expect(store.length).toBeLessThan(30)
    expect(await readFile(join(installed, 'dist/scheduler.js'), 'utf8')).not.toContain('/**')
  })

  it('names no file it does not hold: no maps, no sources', async () => {
    const installed = join(project, 'node_modules/belfry')
    const manifest = await readFile(join(installed, 'package.json'), 'utf8')
    expect(manifest).not.toContain('src/')
    const naming: string[] = []
    for (const { path } of packed.files.filter(file => file.path.endsWith('.js'))) {
      const code = await readFile(join(installed, path), 'utf8')
      if (/sourceMappingURL|from '[^']*\.ts'/.test(code)) naming.push(path)
    }
    expect(naming).toEqual([])
  })

  it('has nothing publint complains of', async () => {
    const { messages } = await publint({ pkgDir: join(project, 'node_modules/belfry'), strict: true, pack: false })
    expect(messages).toEqual([])
  })

  it('has types that resolve in every mode; CommonJS gets an ES module, as Node 20.19 and later can', async () => {
    const flags = ['--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm', '--format', 'json']
    const report = JSON.parse(await node([tool('@arethetypeswrong/cli/dist/index.js'), tarball, ...flags])) as {
      analysis: { problems: { kind: string; resolutionKind?: string }[] }
    }
    const others = report.analysis.problems.filter(problem => problem.resolutionKind !== 'node10')
    expect(others.filter(problem => problem.kind !== 'CJSResolvesToESM')).toEqual([])
  })
})

const STORY = `
  const pglite = await PGlite.create()
  const scheduler = new Scheduler({ database: fromPglite(pglite), clock: new TestClock() })
  const ran = new Promise(resolve => scheduler.registerHandler('greet', payload => resolve(payload)))
  await scheduler.migrate()
  await scheduler.scheduleJob('greet', { payload: { name: 'Ada Example' } })
  await scheduler.runDueJobs()
  console.log(JSON.stringify(await ran))
  await pglite.close()
`
const MODULES = { belfry: 'Scheduler', 'belfry/database': 'fromPglite', 'belfry/testing': 'TestClock' }
const ALL = { ...MODULES, '@electric-sql/pglite': 'PGlite' }
const imports = Object.entries(ALL).map(([from, name]) => `import { ${name} } from '${from}'\n`)
const requires = Object.entries(ALL).map(([from, name]) => `const { ${name} } = require('${from}')\n`)

describe('a program that installed the package', () => {
  it.each([
    ['an ES module', 'story.mjs', `${imports.join('')}${STORY}`, []],
    ['a CommonJS script', 'story.cjs', `${requires.join('')}void (async () => {${STORY}})()`, []],
    ['a program run with the condition "source"', 'source.mjs', `${imports.join('')}${STORY}`, ['--conditions=source']],
  ])('%s schedules and runs a job', async (_, file, text, flags) => {
    await writeFile(join(project, file), text)
    expect(JSON.parse(await node([...flags, file]))).toEqual({ name: 'Ada Example' })
  })

  it('cannot reach what is not published', async () => {
    const reaching = ['--input-type=module', '--eval', `await import('belfry/dist/core.js')`]
    await expect(node(reaching)).rejects.toThrow(/ERR_PACKAGE_PATH_NOT_EXPORTED/)
  })

  const TYPED = `
    const job = defineJob({ type: 'greet', handler: (payload: { name: string }) => payload.name })
    export async function story(pool: PgPool): Promise<string> {
      await using scheduler = new Scheduler({ database: fromPool(pool), jobs: [job], clock: new TestClock() })
      const scheduled: ScheduledJob = await scheduler.scheduleJob(job, { name: 'Ada Example' }, { delay: '1h' })
      // @ts-expect-error a payload of another shape
      await scheduler.scheduleJob(job, { name: 7 })
      return scheduled.jobId
    }
  `
  const types = `import type { ScheduledJob } from 'belfry'\nimport type { PgPool } from 'belfry/database'\n`
  const values = { belfry: 'defineJob, Scheduler', 'belfry/database': 'fromPool', 'belfry/testing': 'TestClock' }
  const asImports = Object.entries(values).map(([from, names]) => `import { ${names} } from '${from}'\n`)
  const asDynamic = (text: string) =>
    Object.entries(values).reduce(
      (body, [from, names]) => `const { ${names} } = await import('${from}')\n${body}`,
      text.replaceAll('export ', ''),
    )
  const esm = `${types}${asImports.join('')}${TYPED}`

  it.each([
    ['an ES module, node16', 'esm.mts', esm, { module: 'node16' }],
    ['an ES module, nodenext', 'esm.mts', esm, { module: 'nodenext' }],
    ['a bundler', 'bundled.ts', esm, { module: 'esnext', moduleResolution: 'bundler' }],
    [
      'a bundler that sets the condition "source"',
      'bundled.ts',
      esm,
      {
        module: 'esnext',
        moduleResolution: 'bundler',
        customConditions: ['source'],
      },
    ],
    ['CommonJS, nodenext', 'cjs.cts', esm, { module: 'nodenext' }],
    [
      'CommonJS, node16, where TypeScript knows import() only',
      'dynamic.cts',
      `import type { ScheduledJob } from 'belfry' with { 'resolution-mode': 'import' }
       import type { PgPool } from 'belfry/database' with { 'resolution-mode': 'import' }
       export async function all() {${asDynamic(TYPED)}; return story}`,
      { module: 'node16' },
    ],
  ])('is type-checked: %s', async (_, file, text, options) => {
    await writeFile(join(project, file), text)
    const compilerOptions = {
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      target: 'es2022',
      lib: ['es2022', 'esnext.disposable'],
      types: ['node'],
      ...options,
    }
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [file] }))
    expect(await node([tsc, '-p', 'tsconfig.json'])).toBe('')
  })
})
