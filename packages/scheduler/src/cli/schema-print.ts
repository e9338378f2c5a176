import { parseArgs } from 'node:util'
import { schemaCheckSql } from '../administration/schema.ts'
import { migrationSql } from '../database/migrator.ts'
import { BelfryError } from '../errors.ts'
import { migrationPlan } from '../store/migrations/plan.ts'
import { runtimeGrants } from '../store/runtime-grants.ts'
import { tablesIn } from '../store/tables.ts'
import type { CommandResult } from './schedules-preview.ts'

export const SCHEMA_HELP = `Usage: belfry schema sql [--schema NAME]
       belfry schema check [--schema NAME]
       belfry schema grants ROLE [--schema NAME]

For databases that are changed by hand. Needs no database; prints SQL.

  sql            every migration, as one transaction
  check          a comparison of the schema with its migrations, for psql; it changes nothing, and no rows mean no
                 difference. belfry-cli runs it itself where DATABASE_URL is set and the package pg is installed, and
                 then exits with 1 when something is missing or changed
  grants ROLE    what a role needs that runs jobs after another one has migrated
  --schema NAME  default belfry

Exit codes: 0 done, 1 the schema differs, 2 wrong usage.
`

/**
 * `schema …` as a function of its arguments.
 * @param args what follows `schema`
 */
export function schemaCommand(args: readonly string[]): CommandResult {
  try {
    const options = { schema: { type: 'string', default: 'belfry' }, help: { type: 'boolean', short: 'h' } } as const
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
    if (values.help) return { exitCode: 0, stdout: SCHEMA_HELP, stderr: '' }
    const tables = tablesIn(values.schema)
    const [verb, role, ...others] = positionals
    if (verb === 'sql' && role === undefined) {
      return { exitCode: 0, stdout: migrationSql(migrationPlan(tables)), stderr: '' }
    }
    if (verb === 'check' && role === undefined) return { exitCode: 0, stdout: schemaCheckSql(tables), stderr: '' }
    if (verb === 'grants' && role !== undefined && others.length === 0) {
      return { exitCode: 0, stdout: `${runtimeGrants(tables, role).join(';\n')};\n`, stderr: '' }
    }
    return { exitCode: 2, stdout: '', stderr: SCHEMA_HELP }
  } catch (error) {
    const isUsage = error instanceof BelfryError || (error instanceof TypeError && 'code' in error)
    if (!isUsage) throw error
    return { exitCode: 2, stdout: '', stderr: `belfry: ${error.message}. See belfry schema --help.\n` }
  }
}
