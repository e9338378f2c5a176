import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { PGlite } from '@electric-sql/pglite'
import { fromPglite, fromPool } from 'belfry/database'
import { Pool } from 'pg'
import type { TestProject } from 'vitest/node'
import { databaseUrl, onServer, startPostgresServer } from './postgres-server.ts'
import { migrateStorySchemas } from './story-schemas.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Superuser URL of the server all test files share. */
    postgresUrl: string
    /** The database on it to copy for stories; see `migrateStorySchemas`. */
    storiesDatabase: string
  }
}

/** One server and the templates of databases for the whole run, and fresh builds for tests that start processes. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))
  const folder = await mkdtemp(join(tmpdir(), 'belfry-template-'))
  const [, removeServer] = await Promise.all([
    promisify(execFile)(process.execPath, [tsc, '--build'], { cwd: fileURLToPath(new URL('..', import.meta.url)) }),
    provideServer(project),
    provideEmbedded(project, folder),
  ])
  return async () => {
    await removeServer()
    await rm(folder, { recursive: true, force: true })
  }
}

async function provideServer(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.TEST_DATABASE_URL
  const server = given ? undefined : await startPostgresServer()
  const url = server?.url ?? given ?? ''
  const stories = `stories_${randomUUID().replaceAll('-', '')}`
  await onServer(url, `create database "${stories}" template template0`)
  const pool = new Pool({ connectionString: databaseUrl(url, stories) })
  await migrateStorySchemas(fromPool(pool))
  await pool.end()
  project.provide('postgresUrl', url)
  project.provide('storiesDatabase', stories)
  return async () => {
    if (server) await server.remove()
    else await onServer(url, `drop database if exists "${stories}"`)
  }
}

async function provideEmbedded(project: TestProject, folder: string): Promise<void> {
  const pglite = await PGlite.create()
  const write = async (file: string) => {
    const dump = await pglite.dumpDataDir('none')
    await writeFile(file, Buffer.from(await dump.arrayBuffer()))
    return file
  }
  const empty = await write(join(folder, 'empty.tar'))
  await migrateStorySchemas(fromPglite(pglite))
  const stories = await write(join(folder, 'stories.tar'))
  await pglite.close()
  project.provide('embeddedTemplates', { empty, stories })
}
