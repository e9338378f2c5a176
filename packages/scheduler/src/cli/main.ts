#!/usr/bin/env node
import { findPool, schemaCheckCommand } from './schema-check.ts'
import { SCHEMA_HELP, schemaCommand } from './schema-print.ts'
import { SCHEDULES_HELP, schedulesCommand, type CommandResult } from './schedules-preview.ts'

const HELP = `${SCHEDULES_HELP}\n${SCHEMA_HELP}`.replaceAll(/belfry (?=schedules|schema)/g, 'belfry-cli ')

function run([command, ...args]: readonly string[]): CommandResult {
  if (command === 'schedules') return schedulesCommand(args, new Date())
  if (command === 'schema') return schemaCommand(args)
  const asked = command === '--help' || command === '-h' || command === 'help'
  return asked ? { exitCode: 0, stdout: HELP, stderr: '' } : { exitCode: 2, stdout: '', stderr: HELP }
}

/** With a database at hand the check is made; without one its SQL is printed, as by every other command here. */
async function runWithDatabase(args: readonly string[]): Promise<CommandResult> {
  const url = process.env['DATABASE_URL']
  const [command, verb, ...rest] = args
  if (command !== 'schema' || verb !== 'check' || !url || rest.includes('--help')) return run(args)
  const Pool = findPool(process.cwd())
  if (!Pool)
    return { ...run(args), stderr: 'belfry-cli: the package pg is not installed here; this is the SQL that checks\n' }
  return schemaCheckCommand(rest, new Pool({ connectionString: url, max: 2 }))
}

const { exitCode, stdout, stderr } = await runWithDatabase(process.argv.slice(2))
process.stdout.write(stdout)
process.stderr.write(stderr)
process.exitCode = exitCode
