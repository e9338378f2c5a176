/**
 * What a role needs that runs jobs and schedules them, after another one has migrated. Everything here is needed:
 * `select … for key share` on the registry wants the right to update, and a trigger writes attempts as its caller.
 */
export function runtimeGrants(schema: string, role: string): string[] {
  return [
    `grant usage on schema "${schema}" to "${role}"`,
    `grant select on "${schema}".belfry_migrations, "${schema}".scheduled_jobs, "${schema}".job_execution_history to "${role}"`,
    `grant select, insert, update, delete on "${schema}".scheduled_jobs_live, "${schema}".belfry_runners,
       "${schema}".belfry_schedules to "${role}"`,
    `grant select, insert, delete on "${schema}".scheduled_jobs_finished, "${schema}".job_attempts to "${role}"`,
    `grant usage on sequence "${schema}".belfry_executions to "${role}"`,
  ]
}
