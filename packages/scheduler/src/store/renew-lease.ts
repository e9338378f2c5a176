import type { Queryable } from '../database/database.ts'
import type { ClockSkew } from '../runtime/clock-skew.ts'
import type { ProcessLoad } from '../runtime/process-meter.ts'
import { msBetween } from './ms-between.ts'
import { loadParameters } from './register-runner.ts'
import type { Tables } from './tables.ts'

export interface Renewal {
  /** False: this runner was declared dead and its jobs were taken back. */
  readonly alive: boolean
  /** Milliseconds until the first other runner's lease ends, or null when there is none. */
  readonly next_expiry_ms: number | null
  /** The database's time, in milliseconds since 1970. */
  readonly now_ms: number
}

/** The heartbeat: one row, however many jobs run. A lease that ran out is not renewed once somebody rescued its jobs. */
export async function renewLease(
  database: Queryable,
  tables: Tables,
  request: {
    runnerId: string
    leaseMs: number
    running: number
    overrun: number
    jobTypes: readonly string[]
    load: ProcessLoad
    /** As measured by the renewal before. */
    clockSkew: ClockSkew | null
    now: string | null
  },
): Promise<Renewal> {
  const answer = await database.query<Renewal>(
    `with moment as (select coalesce($5::text::timestamptz, clock_timestamp()) as now), me as (
       update ${tables.runners} runner
       set lease_until = moment.now + $2::float8 * interval '1 millisecond', heartbeat_at = moment.now,
         running = $3::int, job_types = $4::text[], cpu_share = $6::float8, memory_bytes = $7::float8::bigint,
         loop_delay_ms = $8::float8, loop_blocked_ms = $9::float8, overrun = $10::int,
         clock_skew_ms = $11::float8, clock_error_ms = $12::float8
       from moment where runner.runner_id = $1::uuid returning runner.runner_id
     )
     select exists (select from me) as alive,
       (select ${msBetween('moment.now', 'min(other.lease_until)')}
        from ${tables.runners} other where other.runner_id <> $1::uuid) as next_expiry_ms,
       (extract(epoch from moment.now) * 1000)::float8 as now_ms
     from moment`,
    [
      request.runnerId,
      request.leaseMs,
      request.running,
      request.jobTypes,
      request.now,
      ...loadParameters(request.load),
      request.overrun,
      request.clockSkew?.skewMs ?? null,
      request.clockSkew?.errorMs ?? null,
    ],
  )
  return answer.rows[0] ?? { alive: false, next_expiry_ms: null, now_ms: Number.NaN }
}
