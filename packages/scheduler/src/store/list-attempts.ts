import type { Queryable } from '../database/database.ts'
import type { Attempt, AttemptOutcome } from '../job/job.ts'
import type { Tables } from './tables.ts'

interface AttemptRow {
  attempt: number
  status: AttemptOutcome
  execution_ms: number
  duration_ms: number | null
  wait_ms: number | null
  error_code: string | null
  error_message: string | null
  error_stack: string | null
  runner_id: string | null
  log: string[] | null
}

/** Every attempt of a job, first one first. */
export async function listAttempts(database: Queryable, tables: Tables, jobId: string): Promise<Attempt[]> {
  const found = await database.query<AttemptRow>(
    `select attempt, status, (extract(epoch from execution_time) * 1000)::float8 as execution_ms, duration_ms,
       wait_ms::float8 as wait_ms, error_code, error_message, error_stack, runner_id::text, log
     from ${tables.history} where job_id = $1::text order by attempt, execution_id`,
    [jobId],
  )
  return found.rows.map(row => ({
    attempt: row.attempt,
    outcome: row.status,
    executionTime: new Date(row.execution_ms),
    durationMs: row.duration_ms,
    waitMs: row.wait_ms,
    errorCode: row.error_code,
    errorMessage: row.error_message,
    errorStack: row.error_stack,
    runnerId: row.runner_id,
    log: row.log ?? [],
  }))
}
