import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

export interface RunnerCard {
  readonly runnerId: string
  readonly host: string
  readonly processId: number
  readonly version: string
  readonly jobTypes: readonly string[]
  readonly leaseMs: number
  readonly now: string | null
}

/** Enters a runner into the registry; its lease begins. */
export async function registerRunner(database: Queryable, tables: Tables, card: RunnerCard): Promise<void> {
  await database.query(
    `insert into ${tables.runners} (runner_id, host, process_id, version, job_types, lease_until, heartbeat_at, started_at)
     select $1::uuid, $2::text, $3::int, $4::text, $5::text[],
       moment.now + $6::float8 * interval '1 millisecond', moment.now, moment.now
     from (select coalesce($7::text::timestamptz, clock_timestamp()) as now) moment`,
    [card.runnerId, card.host, card.processId, card.version, card.jobTypes, card.leaseMs, card.now],
  )
}
