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

/** Puts a ready-made database where the bot keeps its own (`BELFRY_DATA_DIR`): a program's first start makes one for seconds. */
export async function layEmbedded(template: EmbeddedTemplate, dataDir: string): Promise<void> {
  const folder = join(dataDir, 'postgres')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await promisify(execFile)('tar', ['-xf', inject('embeddedTemplates')[template], '--no-same-owner', '-C', folder])
}

async function load(template: EmbeddedTemplate): Promise<Blob> {
  return new Blob([await readFile(inject('embeddedTemplates')[template])])
}
