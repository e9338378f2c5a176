import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { PGlite } from '@electric-sql/pglite'
import { fromPglite, fromPool, type Database } from 'belfry/database'
import { Pool } from 'pg'
import type { TestProject } from 'vitest/node'
import { databaseUrl, onServer, startPostgresServer } from './postgres-server.ts'
import type { EmbeddedTemplate } from './embedded-database.ts'
import { migrateBot, migrateStorySchemas } from './story-schemas.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Superuser URL of the server all test files share. */
    postgresUrl: string
    /** The folder of its socket, if it is one of our own. */
    postgresSocketFolder: string | undefined
    /** The database on it to copy for stories; see `migrateStorySchemas`. */
    storiesDatabase: string
    /** The database on it to copy for a bot; see `migrateBot`. */
    botDatabase: string
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
  const stories = await makeTemplate(url, migrateStorySchemas)
  const bot = await makeTemplate(url, migrateBot)
  project.provide('postgresUrl', url)
  project.provide('postgresSocketFolder', server?.socketFolder)
  project.provide('storiesDatabase', stories)
  project.provide('botDatabase', bot)
  return async () => {
    if (server) return server.remove()
    for (const name of [stories, bot]) await onServer(url, `drop database if exists "${name}"`)
  }
}

async function makeTemplate(url: string, fill: (database: Database) => Promise<void>): Promise<string> {
  const name = `template_${randomUUID().replaceAll('-', '')}`
  await onServer(url, `create database "${name}" template template0`)
  const pool = new Pool({ connectionString: databaseUrl(url, name) })
  await fill(fromPool(pool))
  await pool.end()
  return name
}

async function provideEmbedded(project: TestProject, folder: string): Promise<void> {
  const write = async (pglite: PGlite, template: EmbeddedTemplate) => {
    const file = join(folder, `${template}.tar`)
    const dump = await pglite.dumpDataDir('none')
    await writeFile(file, Buffer.from(await dump.arrayBuffer()))
    return file
  }
  const pglite = await PGlite.create()
  const empty = await write(pglite, 'empty')
  const forBot = await PGlite.create({ loadDataDir: new Blob([await readFile(empty)]) })
  await migrateBot(fromPglite(forBot))
  const bot = await write(forBot, 'bot')
  await forBot.close()
  await migrateStorySchemas(fromPglite(pglite))
  const stories = await write(pglite, 'stories')
  await pglite.close()
  project.provide('embeddedTemplates', { empty, stories, bot })
}
