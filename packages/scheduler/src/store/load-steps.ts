import type { Queryable } from '../database/database.ts'
import { durableTables } from './durable-tables.ts'
import { msBetween } from './ms-between.ts'
import type { Tables } from './tables.ts'

export type StepKind = 'step' | 'sleep' | 'wait' | 'effect'

/** One thing a job has done, or begun. */
export interface StepRow {
  readonly kind: StepKind
  readonly name: string
  /** False for a wait whose event has not come, and for an effect that was begun and never confirmed. */
  readonly done: boolean
  /** Null stands for undefined when `has_result` is false. */
  readonly result: unknown
  readonly has_result: boolean
  /** Of a sleep or wait: milliseconds until its instant, by the database's clock; negative when it has passed. */
  readonly remaining_ms: number | null
  /** Of a sleep or wait: its instant, in Unix milliseconds. */
  readonly wake_ms: number | null
  /** Of a wait: it ended by an event, not by its timeout. */
  readonly arrived: boolean
  /** Of a wait: the event it is for. */
  readonly event_name: string | null
  readonly event_key: string | null
}

/** The columns of a `StepRow`; `now` is an expression. */
export function stepColumns(now: string): string {
  return `kind, name, done, result, result is not null as has_result,
    ${msBetween(now, 'wake_at')} as remaining_ms,
    (date_part('epoch', wake_at) * 1000)::float8 as wake_ms, event_id is not null as arrived, event_name, event_key`
}

/** Everything a job has done so far, or the one row asked for. */
export async function loadSteps(
  database: Queryable,
  tables: Tables,
  request: { jobId: string; only?: { kind: StepKind; name: string }; now: string | null },
): Promise<StepRow[]> {
  const { jobId, only, now } = request
  const loaded = await database.query<StepRow>(
    `select ${stepColumns('coalesce($2::text::timestamptz, clock_timestamp())')} from ${durableTables(tables).steps}
     where job_id = $1::text and ($3::text is null or (kind = $3::text and name = $4::text))`,
    [jobId, now, only?.kind ?? null, only?.name ?? null],
  )
  return loaded.rows
}
