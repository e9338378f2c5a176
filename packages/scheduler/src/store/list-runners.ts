import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

export interface RunnerRow {
  readonly runner_id: string
  readonly host: string
  readonly process_id: number
  readonly version: string
  readonly job_types: string[]
  readonly running: number
  readonly overrun: number
  readonly alive: boolean
  readonly heartbeat_ms: number
  readonly started_ms: number
  /** Null when its lease was ended by force. */
  readonly lease_ms: number | null
  readonly cpu_share: number | null
  readonly memory_bytes: number | null
  readonly loop_delay_ms: number | null
  readonly loop_blocked_ms: number | null
  readonly clock_skew_ms: number | null
  readonly clock_error_ms: number | null
}

/** Every registered runner, longest running first. */
export async function listRunners(database: Queryable, tables: Tables, now: string | null): Promise<RunnerRow[]> {
  const found = await database.query<RunnerRow>(
    `select runner_id::text, host, process_id, version, job_types, running, overrun,
       lease_until >= coalesce($1::text::timestamptz, clock_timestamp()) as alive,
       (extract(epoch from heartbeat_at) * 1000)::float8 as heartbeat_ms,
       (extract(epoch from started_at) * 1000)::float8 as started_ms,
       case when isfinite(lease_until) then (extract(epoch from lease_until - heartbeat_at) * 1000)::float8 end as lease_ms,
       cpu_share, memory_bytes::float8 as memory_bytes, loop_delay_ms, loop_blocked_ms, clock_skew_ms, clock_error_ms
     from ${tables.runners} order by started_at, runner_id`,
    [now],
  )
  return found.rows
}
