import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { PGlite } from '@electric-sql/pglite'
import type { TestProject } from 'vitest/node'
import { startPostgresServer } from './postgres-server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Superuser URL of the server all test files share. */
    postgresUrl: string
  }
}

/** One server and one template of an embedded database for the whole run, and fresh builds for tests that start processes. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))
  await promisify(execFile)(process.execPath, [tsc, '--build'], { cwd: fileURLToPath(new URL('..', import.meta.url)) })
  const folder = await mkdtemp(join(tmpdir(), 'belfry-template-'))
  project.provide('embeddedTemplate', await writeTemplate(join(folder, 'empty.tar')))
  const given = process.env.TEST_DATABASE_URL
  const server = given ? undefined : await startPostgresServer()
  project.provide('postgresUrl', server?.url ?? given ?? '')
  return async () => {
    await server?.remove()
    await rm(folder, { recursive: true, force: true })
  }
}

async function writeTemplate(file: string): Promise<string> {
  const pglite = await PGlite.create()
  const dump = await pglite.dumpDataDir('none')
  await writeFile(file, Buffer.from(await dump.arrayBuffer()))
  await pglite.close()
  return file
}
