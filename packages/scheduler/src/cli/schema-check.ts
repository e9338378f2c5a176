import { createRequire } from 'node:module'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { SchemaCheck, SchemaDifference } from '../administration/schema.ts'
import { describeDatabaseError } from '../database/database-error.ts'
import { fromPool, type PgPool } from '../database/node-postgres.ts'
import { Scheduler } from '../scheduler.ts'
import type { CommandResult } from './schedules-preview.ts'

interface ClosablePool extends PgPool {
  end(): Promise<void>
}

/** The package pg as the project in `folder` has it; undefined when it has none. */
export function findPool(
  folder: string,
): (new (options: { connectionString: string; max: number }) => ClosablePool) | undefined {
  try {
    return createRequire(join(folder, 'package.json'))('pg').Pool
  } catch {
    return undefined
  }
}

/** `schema check` against a database. */
export async function schemaCheckCommand(args: readonly string[], pool: ClosablePool): Promise<CommandResult> {
  try {
    const options = { schema: { type: 'string', default: 'belfry' } } as const
    const { schema } = parseArgs({ args: [...args], options }).values
    return report(await new Scheduler({ database: fromPool(pool), schema }).checkSchema())
  } catch (error) {
    const told = describeDatabaseError(error)
    return { exitCode: 2, stdout: '', stderr: `belfry-cli: ${told instanceof Error ? told.message : String(told)}\n` }
  } finally {
    await pool.end()
  }
}

/** What a check found, in lines. */
export function report({ ok, version, pending, differences }: SchemaCheck): CommandResult {
  const waiting = pending > 0 ? `, ${pending} to come` : ''
  const verdict = ok ? 'nothing is missing or changed' : 'differs from what its migrations make'
  const lines = [`schema at version ${version}${waiting}: ${verdict}`, ...differences.map(lineOf)]
  return { exitCode: ok ? 0 : 1, stdout: `${lines.join('\n')}\n`, stderr: '' }
}

function lineOf({ kind, name, difference, expected, actual }: SchemaDifference): string {
  const detail = {
    missing: `should be: ${expected}`,
    extra: `is: ${actual}`,
    changed: `should be: ${expected}\n  is: ${actual}`,
  }
  return `${difference} ${kind} ${name}\n  ${detail[difference]}`
}
