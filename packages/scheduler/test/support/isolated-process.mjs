// A process that runs one isolated job and has nothing else to do. Its idle thread must not keep it.
import process from 'node:process'

const { isolated } = await import(new URL('../../dist/isolation/isolated.js', import.meta.url).href)
const handler = isolated(new URL('isolated-work.mjs', import.meta.url), { idleTimeout: '1h' })
const sum = await handler({ a: 20, b: 22 }, { signal: new AbortController().signal })
process.stdout.write(`${sum}\n`)
