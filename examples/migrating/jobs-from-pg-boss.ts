import type { Pool } from 'pg'

/**
 * Moves waiting jobs of the given queues, keeping id, time and unspent retries. One statement: a job is in one of the
 * two systems at any instant. Left to pg-boss: running jobs, jobs in a flow, and those past their retention.
 */
const move = `
  with moved as (
    delete from pgboss.job
    where name = any($1) and state in ('created', 'retry') and keep_until > now()
      and not coalesce((to_jsonb(job)->>'blocked')::boolean, false)
      and not coalesce((to_jsonb(job)->>'blocking')::boolean, false)
    returning *
  )
  select id::text as old_id, belfry.schedule_job(
    job_type => name,
    payload => coalesce(data, '{}'),
    scheduled_time => start_after,
    max_retries => greatest(retry_limit - retry_count, 0),
    unique_key => case when policy = 'exclusive' or (policy = 'short' and state = 'created')
      then coalesce(singleton_key, name) end,
    job_id => id::text
  ) as new_id
  from moved`

/** Answers how many jobs were moved. Throws, and moves none, when Belfry already has a job with the same unique key. */
export async function moveJobsFromPgBoss(pool: Pool, queues: readonly string[]): Promise<number> {
  const client = await pool.connect()
  try {
    await client.query('begin')
    const { rows } = await client.query<{ old_id: string; new_id: string }>(move, [queues])
    const taken = rows.filter(row => row.old_id !== row.new_id)
    if (taken.length > 0) throw new Error(`unique key taken: ${taken.map(row => row.old_id).join(', ')}`)
    await client.query('commit')
    return rows.length
  } catch (error) {
    await client.query('rollback')
    throw error
  } finally {
    client.release()
  }
}
