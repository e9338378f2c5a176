export { schedulesCommand, type CommandResult } from './schedules-preview.ts'
