import type { Queryable } from '../database/database.ts'
import type { ProcessLoad } from '../runtime/process-meter.ts'
import type { Tables } from './tables.ts'

export interface RunnerCard {
  readonly runnerId: string
  readonly host: string
  readonly processId: number
  readonly version: string
  readonly jobTypes: readonly string[]
  readonly leaseMs: number
  readonly load: ProcessLoad
  readonly now: string | null
}

/** Enters a runner into the registry; its lease begins. Answers the database's time, in milliseconds since 1970. */
export async function registerRunner(database: Queryable, tables: Tables, card: RunnerCard): Promise<number> {
  const { rows } = await database.query<{ now_ms: number }>(
    `insert into ${tables.runners} (runner_id, host, process_id, version, job_types, lease_until, heartbeat_at, started_at,
       cpu_share, memory_bytes, loop_delay_ms, loop_blocked_ms)
     select $1::uuid, $2::text, $3::int, $4::text, $5::text[],
       moment.now + $6::float8 * interval '1 millisecond', moment.now, moment.now,
       $8::float8, $9::float8::bigint, $10::float8, $11::float8
     from (select coalesce($7::text::timestamptz, clock_timestamp()) as now) moment
     returning (extract(epoch from heartbeat_at) * 1000)::float8 as now_ms`,
    [
      card.runnerId,
      card.host,
      card.processId,
      card.version,
      card.jobTypes,
      card.leaseMs,
      card.now,
      ...loadParameters(card.load),
    ],
  )
  return rows[0]?.now_ms ?? Number.NaN
}

/** In the order of the columns `cpu_share, memory_bytes, loop_delay_ms, loop_blocked_ms`. */
export function loadParameters(load: ProcessLoad): (number | null)[] {
  return [load.cpuShare, load.memoryBytes, load.eventLoopDelayMs, load.eventLoopBlockedMs]
}
