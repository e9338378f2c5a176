import { defineConfig } from 'vitest/config'

/** Tests run from the sources: the `source` condition makes `belfry` mean `packages/scheduler/src`. */
const resolve = { conditions: ['source'] }
const ssr = { resolve: { conditions: ['source'], externalConditions: ['source'] } }

export default defineConfig({
  resolve,
  ssr,
  test: {
    include: ['packages/*/test/**/*.test.ts', 'examples/**/*.test.ts', 'test-support/**/*.test.ts'],
    globalSetup: ['test-support/postgres-server-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    // CI adds a machine-readable report to the one people read.
    reporters: process.env.VITEST_JSON ? ['default', 'json'] : ['default'],
    ...(process.env.VITEST_JSON && { outputFile: { json: process.env.VITEST_JSON } }),
  },
})
