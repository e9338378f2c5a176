// Tells the story of one seed of the simulation, from the built package:
//   npm run build && node packages/scheduler/test/support/replay-seed.mjs 42
import process from 'node:process'
import { PGlite } from '@electric-sql/pglite'
import { fromPglite } from 'belfry/database'
import { formatFailure, simulate } from 'belfry/testing'

const [seed, steps] = process.argv.slice(2)
if (seed === undefined) {
  console.error('usage: node packages/scheduler/test/support/replay-seed.mjs SEED [STEPS]')
  process.exit(2)
}
const pglite = await PGlite.create()
const length = steps === undefined ? {} : { steps: Number(steps) }
const report = await simulate({ database: fromPglite(pglite), seed: Number(seed), ...length })
console.log(report.journal.map((line, index) => `${String(index + 1).padStart(5)} ${line}`).join('\n'))
console.log(formatFailure(report))
await pglite.close()
