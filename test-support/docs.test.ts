import { access, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { variables } from '../packages/bot/src/settings.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (file: string) => readFile(join(root, file), 'utf8')

async function pages(): Promise<string[]> {
  const docs = await readdir(join(root, 'docs'), { recursive: true })
  const top = await readdir(root)
  const all = [...top, 'packages/scheduler/README.md', ...docs.map(name => join('docs', name))]
  return all.filter(name => name.endsWith('.md'))
}

describe('the documentation keeps up with the code', () => {
  it('.env.example names every variable with its default, and no other', async () => {
    const written = [...(await read('.env.example')).matchAll(/^# ([A-Z_]+)=(.*)$/gm)].map(
      ([, name, value]) => `${name}=${value}`,
    )
    expect(written.toSorted()).toEqual(variables.map(each => `${each.name}=${each.fallback ?? ''}`).toSorted())
  })

  it('docs/configuration.md has a row for each', async () => {
    const page = await read('docs/configuration.md')
    const rows = [...page.matchAll(/^\| (`[A-Z_]+` \| \S+ \| .* \| .*) \|$/gm)].map(([, row = '']) =>
      row.replace(/ +/g, ' '),
    )
    const wanted = variables.map(({ name, fallback, expects, about }) => {
      return `\`${name}\` | ${fallback === undefined ? '–' : `\`${fallback}\``} | ${expects} | ${about}`
    })
    expect(rows.toSorted()).toEqual(wanted.toSorted())
  })

  it('docs/errors.md has a section for every code, and no other', async () => {
    const union = (await read('packages/scheduler/src/errors.ts')).split('export class')[0] ?? ''
    const codes = [...union.matchAll(/'(BELFRY_[A-Z_]+)'/g)].map(([, code]) => code)
    const sections = [...(await read('docs/errors.md')).matchAll(/^### `([A-Z_]+)`$/gm)].map(([, code]) => code)
    expect(sections.toSorted()).toEqual(
      [...codes, 'CONFIG_INVALID', 'DATA_DIR_IN_USE', 'PORT_IN_USE', 'USAGE'].toSorted(),
    )
  })

  it('every link to a file leads to one', async () => {
    const broken: string[] = []
    for (const page of await pages()) {
      for (const [, target = ''] of (await read(page)).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)) {
        await access(join(root, dirname(page), target)).catch(() => broken.push(`${page}: ${target}`))
      }
    }
    expect(broken).toEqual([])
  })

  it('every example in a page is the file it names, so that the tests run it', async () => {
    for (const page of await pages()) {
      for (const [, file = '', text] of (await read(page)).matchAll(/```[jt]s example=(\S+)\n([\s\S]*?)```/g)) {
        expect(text, `${page} shows ${file}`).toBe(await read(join('examples', file)))
      }
    }
  })

  it('TypeScript in docs/ is an example or says that it is a fragment', async () => {
    // Made from the sources, and compared with them by a test of its own.
    const written = (await pages()).filter(page => page.startsWith('docs/') && page !== 'docs/api.md')
    const untied: string[] = []
    for (const page of written) {
      for (const [fence] of (await read(page)).matchAll(
        /^\s*```(?:ts|typescript)\b(?! example=\S+$| fragment$).*$/gm,
      )) {
        untied.push(`${page}: ${fence}`)
      }
    }
    expect(untied).toEqual([])
  })

  it('every "same" and "better" beside the peers names the test that shows it', async () => {
    const short = { keys: 'peer-behaviours', failing: 'peer-behaviours-failing', life: 'peer-behaviours-life' }
    const tests = new Set(await readdir(join(root, 'packages/scheduler/test')))
    const claims = [
      ...(await read('docs/comparison.md')).matchAll(/^\| ([^|]+) \| [^|]+ \| (?:same|better) \| (.*) \|$/gm),
    ]
    expect(claims.length).toBeGreaterThan(100)
    const bare = claims.filter(([, , here = '']) => {
      const names = [...(here.split(';').at(-1) ?? '').matchAll(/`([a-z-]+)`/g)].map(([, name = '']) => name)
      return !names.some(name => tests.has(`${short[name as keyof typeof short] ?? name}.test.ts`))
    })
    expect(bare.map(([, behaviour]) => behaviour)).toEqual([])
  })

  it('every event and every log line of the scheduler is in docs/operations.md', async () => {
    const page = await read('docs/operations.md')
    const sources = await readdir(join(root, 'packages/scheduler/src'), { recursive: true })
    const code = await Promise.all(
      sources.filter(name => name.endsWith('.ts')).map(name => read(join('packages/scheduler/src', name))),
    )
    const events = [...(await read('packages/scheduler/src/events.ts')).matchAll(/^ {2}'([a-z:-]+)': /gm)]
    const lines = [...code.join('\n').matchAll(/\{\s*event: '([a-z_]+)'/g)]
    expect(events.length).toBeGreaterThan(10)
    expect(lines.length).toBeGreaterThan(10)
    const named = [...events, ...lines].map(([, name]) => name)
    expect(named.filter(name => !page.includes(`\`${name}\``))).toEqual([])
  })
})
