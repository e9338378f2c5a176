#!/usr/bin/env node
import { SCHEMA_HELP, schemaCommand } from './schema-print.ts'
import { SCHEDULES_HELP, schedulesCommand, type CommandResult } from './schedules-preview.ts'

const HELP = `${SCHEDULES_HELP}\n${SCHEMA_HELP}`.replaceAll(/belfry (?=schedules|schema)/g, 'belfry-cli ')

function run([command, ...args]: readonly string[]): CommandResult {
  if (command === 'schedules') return schedulesCommand(args, new Date())
  if (command === 'schema') return schemaCommand(args)
  const asked = command === '--help' || command === '-h' || command === 'help'
  return asked ? { exitCode: 0, stdout: HELP, stderr: '' } : { exitCode: 2, stdout: '', stderr: HELP }
}

const { exitCode, stdout, stderr } = run(process.argv.slice(2))
process.stdout.write(stdout)
process.stderr.write(stderr)
process.exitCode = exitCode
