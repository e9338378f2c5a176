import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'
import { startPostgresServer } from './postgres-server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Superuser URL of the server all test files share. */
    postgresUrl: string
  }
}

/** One server for the whole run, and fresh builds for tests that start real processes. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))
  await promisify(execFile)(process.execPath, [tsc, '--build'], { cwd: fileURLToPath(new URL('..', import.meta.url)) })
  const given = process.env.TEST_DATABASE_URL
  if (given) {
    project.provide('postgresUrl', given)
    return () => Promise.resolve()
  }
  const server = await startPostgresServer()
  project.provide('postgresUrl', server.url)
  return () => server.remove()
}
