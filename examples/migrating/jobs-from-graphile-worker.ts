import type { Pool } from 'pg'

/**
 * Moves waiting jobs of the given tasks, keeping key, time and unspent attempts. One statement: a job is in one of the
 * two systems at any instant. Left to Graphile Worker: locked jobs, jobs out of attempts, and jobs of a named queue.
 */
const move = `
  with moved as (
    delete from graphile_worker._private_jobs as job
    using graphile_worker._private_tasks as task
    where task.id = job.task_id and task.identifier = any($1)
      and job.locked_at is null and job.attempts < job.max_attempts and job.job_queue_id is null
    returning job.*, task.identifier
  )
  select 'graphile-' || id as old_id, belfry.schedule_job(
    job_type => identifier,
    payload => payload::jsonb,
    scheduled_time => run_at,
    max_retries => max_attempts - attempts - 1,
    unique_key => key,
    job_id => 'graphile-' || id
  ) as new_id
  from moved`

/** Answers how many jobs were moved. Throws, and moves none, when Belfry already has a job with the same key. */
export async function moveJobsFromGraphileWorker(pool: Pool, tasks: readonly string[]): Promise<number> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const { rows } = await client.query<{ old_id: string; new_id: string }>(move, [tasks])
    const taken = rows.filter(row => row.old_id !== row.new_id)
    if (taken.length > 0) throw new Error(`key taken: ${taken.map(row => row.old_id).join(', ')}`)
    await client.query('commit')
    return rows.length
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}
