import { randomUUID } from 'node:crypto'
import type { Core } from '../core.ts'
import { describeDatabaseError } from '../database/database-error.ts'
import type { Queryable } from '../database/database.ts'
import {
  appliedVersion,
  migrate,
  migrateWithin,
  migrationSql,
  migrationStatements,
  type MigrationResult,
} from '../database/migrator.ts'
import { migrationPlan } from '../store/migrations/plan.ts'
import { driftSql, PRINT_FULL_NAMES, readDrift, type DriftRow } from '../store/schema-drift.ts'
import { tablesIn, type Tables } from '../store/tables.ts'

/** One thing in the database that is not as the migrations make it. */
export interface SchemaDifference {
  readonly kind: DriftRow['kind']
  /** Such as `scheduled_jobs_live_due`, or `scheduled_jobs_live.lane` for what belongs to a table. */
  readonly name: string
  /** `extra`: somebody added it to one of our tables; that may be right. */
  readonly difference: 'missing' | 'changed' | 'extra'
  /** As the migrations make it; null for what is extra. */
  readonly expected: string | null
  /** As it is; null for what is missing. */
  readonly actual: string | null
}

/** What `checkSchema` answers. */
export interface SchemaCheck {
  /** Nothing is missing or changed; something extra does no harm. */
  readonly ok: boolean
  /** The migration the database is at; it was compared with what the migrations up to this one make. */
  readonly version: number
  /** Migrations this program knows and the database has not seen. */
  readonly pending: number
  readonly differences: readonly SchemaDifference[]
}

/** Brings the schema up to date. */
export async function migrateSchema({ database, tables }: Core): Promise<MigrationResult> {
  try {
    return await migrate(database, migrationPlan(tables))
  } catch (error) {
    throw describeDatabaseError(error)
  }
}

/**
 * Compares the schema with what its migrations make. The picture to compare with is made by running them in a schema
 * that is never committed, on the same server, so that both are printed alike and nothing is kept up by hand.
 */
export async function checkSchema({ database, tables }: Core): Promise<SchemaCheck> {
  const fresh = tablesIn(`belfry_check_${randomUUID().replaceAll('-', '').slice(0, 16)}`)
  try {
    return await rolledBack(database, async transaction => {
      const plan = migrationPlan(tables)
      const version = await appliedVersion(transaction, plan)
      const sameSteps = migrationPlan(fresh).steps.slice(0, version === 0 ? undefined : version)
      await migrateWithin(transaction, { ...migrationPlan(fresh), steps: sameSteps })
      const differences = (await readDrift(transaction, tables, fresh)).map(differenceOf)
      const ok = differences.every(({ difference }) => difference === 'extra')
      return { ok, version, pending: plan.steps.length - version, differences }
    })
  } catch (error) {
    throw describeDatabaseError(error)
  }
}

/** The schema as plain SQL. */
export function schemaSql(tables: Tables): string {
  return migrationSql(migrationPlan(tables))
}

/** The same check as SQL for a database that only people can reach: no rows mean no difference. */
export function schemaCheckSql(tables: Tables): string {
  const fresh = tablesIn('belfry_check')
  const statements = [...migrationStatements(migrationPlan(fresh)), PRINT_FULL_NAMES, driftSql(tables, fresh)]
  return ['begin;', ...statements.map(statement => `${statement};`), 'rollback;', ''].join('\n')
}

function differenceOf({ kind, name, expected, actual }: DriftRow): SchemaDifference {
  const difference = expected === null ? 'extra' : actual === null ? 'missing' : 'changed'
  return { kind, name, difference, expected, actual }
}

/** Ends a transaction without a commit, whatever came of it. */
async function rolledBack<Result>(
  database: Core['database'],
  work: (transaction: Queryable) => Promise<Result>,
): Promise<Result> {
  let answer: { result: Result } | undefined
  const over = new Error('rolled back on purpose')
  await database
    .transaction(async transaction => {
      answer = { result: await work(transaction) }
      throw over
    })
    .catch((error: unknown) => {
      if (!answer) throw error
    })
  if (!answer) throw over
  return answer.result
}
