import { execFile } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { PGlite } from '@electric-sql/pglite'
import { inject } from 'vitest'

declare module 'vitest' {
  interface ProvidedContext {
    /** Files with the folders of embedded databases. */
    embeddedTemplates: Readonly<Record<EmbeddedTemplate, string>>
  }
}

/** What is in an embedded database from the start: nothing, or what `migrateStorySchemas` or `migrateBot` make. */
export type EmbeddedTemplate = 'empty' | 'stories' | 'bot'

const templates = new Map<EmbeddedTemplate, Promise<Blob>>()

/** An embedded database in memory. Read from a ready-made folder: making one takes three times as long. */
export async function createPglite(template: EmbeddedTemplate = 'empty'): Promise<PGlite> {
  const loaded = templates.get(template) ?? load(template)
  templates.set(template, loaded)
  return PGlite.create({ loadDataDir: await loaded })
}

/** Of the bot, given back by stories and empty again. */
const idle: PGlite[] = []

/**
 * The bot's embedded database, as new. Whoever has one gives it back: to empty it takes a tenth of the 0.6 s of a core
 * that making another does.
 */
export async function borrowBotPglite(): Promise<{ pglite: PGlite; giveBack: () => Promise<void> }> {
  const pglite = idle.pop() ?? (await createPglite('bot'))
  const { rows: secrets } = await pglite.query('select * from bot_secrets')
  return {
    pglite,
    async giveBack() {
      await empty(pglite, secrets)
      idle.push(pglite)
    },
  }
}

/** Nobody listens any more, no row is left but the secrets it was made with. */
async function empty(pglite: PGlite, secrets: readonly unknown[]): Promise<void> {
  const listening = await pglite.query<{ channel: string }>('select pg_listening_channels() as channel')
  for (const { channel } of listening.rows) await pglite.unlisten(channel)
  const tables = await pglite.query<{ name: string }>(
    `select oid::regclass::text as name from pg_class
     where relnamespace = 'public'::regnamespace and relkind = 'r' and relname not like '%migrations'`,
  )
  await pglite.exec(`truncate ${tables.rows.map(each => each.name).join(', ')} restart identity cascade`)
  await pglite.query('insert into bot_secrets select * from json_populate_recordset(null::bot_secrets, $1::json)', [
    JSON.stringify(secrets),
  ])
}

/** Puts a ready-made database where the bot keeps its own (`BELFRY_DATA_DIR`): a program's first start makes one for seconds. */
export async function layEmbedded(template: EmbeddedTemplate, dataDir: string): Promise<void> {
  const folder = join(dataDir, 'postgres')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await promisify(execFile)('tar', ['-xf', inject('embeddedTemplates')[template], '--no-same-owner', '-C', folder])
}

async function load(template: EmbeddedTemplate): Promise<Blob> {
  return new Blob([await readFile(inject('embeddedTemplates')[template])])
}
