// Simulates many worlds: npm run seeds -- --from 1 --count 20000 --steps 120
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { from: { type: 'string' }, count: { type: 'string' }, steps: { type: 'string' } },
})
const [from, count, steps] = [Number(values.from ?? 1), Number(values.count ?? 2_000), Number(values.steps ?? 120)]
if (![from, count - 1, steps - 1].every(each => Number.isInteger(each) && each >= 0)) {
  console.error('usage: npm run seeds -- --from 1 --count 20000 --steps 120')
  process.exit(2)
}
const files = ['odd', 'even'].map(seeds => `packages/scheduler/test/simulation-${seeds}-seeds.test.ts`)
const tests = spawn('npx', ['vitest', 'run', ...files], {
  cwd: fileURLToPath(new URL('../../../..', import.meta.url)),
  stdio: 'inherit',
  env: {
    ...process.env,
    BELFRY_SEEDS_FROM: String(from),
    BELFRY_SEEDS_COUNT: String(count),
    BELFRY_SEEDS_STEPS: String(steps),
  },
})
tests.on('exit', code => process.exit(code ?? 1))
