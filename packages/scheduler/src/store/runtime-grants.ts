import { quoteIdentifier } from '../database/identifier.ts'
import { durableTables } from './durable-tables.ts'
import type { Tables } from './tables.ts'

/**
 * What a role needs that schedules and runs jobs after another one has migrated. Found by revoking each right singly:
 * `select … for key share` on the registry wants the right to update, and a trigger writes attempts as its caller.
 * @throws BelfryError `BELFRY_INVALID_OPTION` when the role's name cannot be one
 */
export function runtimeGrants(tables: Tables, role: string): string[] {
  const to = `to ${quoteIdentifier(role, 'role')}`
  const { schema, jobs, live, finished, history, attempts, executions, runners, schedules, lanes, pauses } = tables
  const { steps, events, topics } = durableTables(tables)
  const changed = [live, runners, schedules, lanes, pauses, steps, events, topics, `${schema}.belfry_audit`]
  return [
    `grant usage on schema ${schema} ${to}`,
    `grant select on ${[tables.migrations, jobs, history].join(', ')} ${to}`,
    `grant select, insert, update, delete on ${changed.join(', ')} ${to}`,
    `grant select, insert, delete on ${[finished, attempts].join(', ')} ${to}`,
    `grant usage on sequence ${executions} ${to}`,
    `grant execute on all functions in schema ${schema} ${to}`,
  ]
}
