export { schemaCommand } from './schema-print.ts'
export { schedulesCommand, type CommandResult } from './schedules-preview.ts'
