import { Scheduler } from 'belfry'
import { migrate, type Database } from 'belfry/database'
import { botMigrations } from '../packages/bot/src/database/migrations.ts'

/**
 * Schemas that are migrated once for the whole run and copied with their database: a story's own costs 0.1 s of two
 * cores, and there are hundreds of stories. More would make every copy slower; what goes beyond migrates by itself.
 */
const READY_MADE = 16

/** The name of a story's schema, counted from 1. */
export function storySchema(number: number): string {
  return `story_${number}`
}

/** Migrates the schemas of the first stories, the way a program does. */
export async function migrateStorySchemas(database: Database): Promise<void> {
  for (let number = 1; number <= READY_MADE; number += 1) {
    await new Scheduler({ database, schema: storySchema(number) }).migrate()
  }
}

/** Brings a database up to date as the bot does when it starts. */
export async function migrateBot(database: Database): Promise<void> {
  await new Scheduler({ database, schema: 'public' }).migrate()
  await migrate(database, botMigrations)
}
