import type { MigrationPlan } from '../../database/migrator.ts'
import type { Tables } from '../tables.ts'
import { migrations } from './all.ts'

/** The library's own steps for one schema. */
export function migrationPlan(tables: Tables): MigrationPlan {
  return {
    schema: tables.schemaName,
    table: 'belfry_migrations',
    steps: migrations.map(migration => ({
      version: migration.version,
      name: migration.name,
      statements: migration.statements(tables),
      ...(migration.onlineIndexes && { onlineIndexes: migration.onlineIndexes }),
      ...(migration.check && {
        check: (transaction: Parameters<NonNullable<typeof migration.check>>[0]) =>
          migration.check?.(transaction, tables) ?? Promise.resolve(),
      }),
    })),
  }
}
