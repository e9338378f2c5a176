import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { readApi, writePage, type ApiName, type EntryPoint } from './api-reference.ts'

const scheduler = new URL('../packages/scheduler/', import.meta.url)
const page = fileURLToPath(new URL('../docs/api.md', import.meta.url))
let entries: { entry: EntryPoint; api: ApiName[] }[]

beforeAll(async () => {
  const manifest = JSON.parse(await readFile(new URL('package.json', scheduler), 'utf8')) as {
    exports: Record<string, { types: string }>
  }
  const dist = fileURLToPath(new URL('dist/', scheduler))
  entries = await Promise.all(
    Object.entries(manifest.exports).map(async ([path, { types }]) => {
      const entry = { specifier: path.replace('.', 'belfry'), file: types.replace('./dist/', '') }
      return { entry, api: await readApi(dist, entry) }
    }),
  )
})

describe('the API reference', () => {
  it('has every name the package exports at run time', async () => {
    for (const { entry, api } of entries) {
      const exported = Object.keys((await import(entry.specifier)) as object)
      const known = new Set(api.filter(each => !each.unexported).map(each => each.name))
      expect(exported.filter(name => !known.has(name))).toEqual([])
    }
  })

  it('says something about each', () => {
    const silent = entries.flatMap(({ api }) =>
      api.filter(each => !each.unexported && each.doc === '').map(each => `${each.file}: ${each.name}`),
    )
    expect(silent).toEqual([])
  })

  it('is what docs/api.md shows; if not, run `npm run docs:api`', async () => {
    await expect(writePage(entries)).toMatchFileSnapshot(page)
  })
})
