import type { Tables } from './tables.ts'

/**
 * Part of a statement that takes rows out of the finished partition: the attempt they carry becomes a row of its own.
 * @param rows name of the query that answers those rows
 */
export function keepAttempt({ attempts }: Tables, rows: string): string {
  return `insert into ${attempts} (execution_id, job_id, job_type, attempt, execution_time, duration_ms, wait_ms, status,
      error_code, error_message, error_stack, runner_id, log, created_at)
    select execution_id, job_id, job_type, attempt, coalesce(started_at, completed_at), duration_ms, wait_ms,
      last_outcome, error_code, error_message, error_stack, runner_id, log, completed_at
    from ${rows} where execution_id is not null`
}
