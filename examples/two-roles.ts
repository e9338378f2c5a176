import { Scheduler } from 'belfry'
import { schemaCommand } from 'belfry/cli'
import type { Database } from 'belfry/database'

/** What a deployment runs as the role that owns the schema: the tables, and what the application's role may do. */
export function deployment(owner: Scheduler, schema: string, role: string): string {
  return owner.migrationSql() + schemaCommand(['grants', role, '--schema', schema]).stdout
}

/** The application. Its role makes no tables, so it does not try to. */
export function application(database: Database, schema: string): Scheduler {
  return new Scheduler({ database, schema, migrate: false })
}

/** Every night, as the owner again: is all of it still there? */
export async function drift(owner: Scheduler): Promise<string[]> {
  const { ok, pending, differences } = await owner.checkSchema()
  if (ok && pending === 0) return []
  return [`${pending} migrations to run`, ...differences.map(each => `${each.difference} ${each.kind} ${each.name}`)]
}
