import { readdir, readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'

const store = new URL('../src/store/', import.meta.url)

/** The code of every statement's file, without comments. */
async function statementFiles(): Promise<{ name: string; code: string }[]> {
  const names = (await readdir(store)).filter(name => name.endsWith('.ts'))
  return Promise.all(
    names.map(async name => {
      const text = await readFile(new URL(name, store), 'utf8')
      return { name, code: text.replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '') }
    }),
  )
}

/** What docs/portability.md says is not used: each breaks behind a pooler that gives a connection per transaction. */
const UNUSED: Readonly<Record<string, RegExp>> = {
  'a session setting': /`\s*set (?!local\b)(session )?[a-z_.]+ (=|to) /i,
  'a named prepared statement': /`\s*(prepare|deallocate|execute) /i,
  'an advisory lock that a session holds': /pg_(try_)?advisory_(lock|unlock)/i,
  'a temporary table': /create (local |global )?temp(orary)? /i,
  'a cursor that outlives its transaction': /with hold/i,
  'LISTEN, which has a place of its own in database/': /`\s*(un)?listen /i,
}

it.each(Object.entries(UNUSED))('no statement uses %s', async (_what, pattern) => {
  const using = (await statementFiles()).filter(({ code }) => pattern.test(code)).map(({ name }) => name)
  expect(using).toEqual([])
})

// `sampled('$1')` adds the type itself.
it('every parameter has its type, so that no server and no driver has to guess', async () => {
  const guessed = (await statementFiles()).flatMap(({ name, code }) =>
    [...code.matchAll(/.*(?<!sampled\(')\$\d+(?!\d|::).*/g)].map(([line]) => `${name}: ${line.trim()}`),
  )
  expect(guessed).toEqual([])
})

it('the page names what the test looks for', async () => {
  const page = await readFile(new URL('../../../docs/portability.md', import.meta.url), 'utf8')
  for (const name of [
    'LISTEN',
    'skip locked',
    'pg_advisory_xact_lock',
    'PgBouncer',
    'CockroachDB',
    'YugabyteDB',
    'Citus',
  ])
    expect(page).toContain(name)
})
