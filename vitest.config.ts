import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** Tests run from the sources, without a build: these are the `paths` of tsconfig.base.json. */
const source = (file: string) => fileURLToPath(new URL(`packages/scheduler/src/${file}`, import.meta.url))
const alias = [
  { find: /^belfry$/, replacement: source('index.ts') },
  { find: /^belfry\/(cli|database|testing)$/, replacement: source('$1/index.ts') },
]

export default defineConfig({
  resolve: { alias },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'examples/**/*.test.ts', 'test-support/**/*.test.ts'],
    globalSetup: ['test-support/postgres-server-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Files share their worker's modules, or each would load a second of them anew: 220 of 280 s of workers' time.
    isolate: false,
    // One more than the cores of a small machine: stories wait for processes, leases and servers half of their time.
    maxWorkers: 3,
    // CI adds a machine-readable report to the one people read.
    reporters: process.env.VITEST_JSON ? ['default', 'json'] : ['default'],
    ...(process.env.VITEST_JSON && { outputFile: { json: process.env.VITEST_JSON } }),
  },
})
