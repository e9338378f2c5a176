import type { Queryable } from '../database/database.ts'
import { KEPT_COLUMNS, type Tables } from './tables.ts'

/** An attempt that completed its job and has nothing to tell: no result, no log. Most attempts are such. */
export interface CompletedAttempt {
  readonly jobId: string
  readonly leaseToken: string
  readonly durationMs: number
  /** From claimed to started, in ms. */
  readonly delayMs: number
}

/** What a settling statement took in. */
export interface Settled {
  /** Ids that were not settled, because their lease was lost. */
  readonly refused: ReadonlySet<string>
  /** Settled jobs that somebody waits for: another job, or a caller. */
  readonly awaited: readonly string[]
}

export const NOTHING_REFUSED: ReadonlySet<string> = new Set()

/**
 * Settles attempts in one statement: out of the live partition, into the finished one, where the row carries the attempt
 * too. Fenced: a row whose lease token changed is left alone.
 */
export async function settleCompleted(
  database: Queryable,
  tables: Tables,
  request: { attempts: readonly CompletedAttempt[]; now: string | null },
): Promise<Settled> {
  const { attempts, now } = request
  const answer = await database.query<SettledRow>(
    `with ended as (
       select * from unnest($1::text::text[], $2::text::uuid[], $3::text::int[], $4::text::int[])
         as ended(job_id, lease_token, duration_ms, delay_ms)
     ), gone as (
       delete from ${tables.live} live using ended
       where live.job_id = ended.job_id and live.lease_token = ended.lease_token
       returning live.*, ended.duration_ms as took_ms, live.started_at + ended.delay_ms * interval '1 ms' as begun_at
     ), kept as (
       insert into ${tables.finished} (${KEPT_COLUMNS}, status, last_outcome, completed_at, execution_id, duration_ms,
         wait_ms)
       select ${STARTED_COLUMNS}, 'completed', 'completed', coalesce($5::text::timestamptz, clock_timestamp()),
         ${tables.nextExecution}, took_ms, ${WAIT_MS}
       from gone
     )
     ${settledAnswer('gone', 6)}`,
    [
      `{${attempts.map(attempt => arrayItem(attempt.jobId)).join(',')}}`,
      `{${attempts.map(attempt => attempt.leaseToken).join(',')}}`,
      `{${attempts.map(attempt => Math.round(attempt.durationMs)).join(',')}}`,
      `{${attempts.map(attempt => Math.round(attempt.delayMs)).join(',')}}`,
      now,
      attempts.length,
    ],
  )
  return settledOf(
    answer.rows[0],
    attempts.map(attempt => attempt.jobId),
  )
}

/** `started_at` of a finished job is when its handler began, not when it was claimed. */
export const STARTED_COLUMNS = KEPT_COLUMNS.replace('started_at', 'begun_at')

/** From due to begun, never negative: a job may be taken a moment early and a clock may be set. */
export const WAIT_MS = `greatest(0, date_part('epoch', begun_at - scheduled_time) * 1000)::bigint`

interface SettledRow {
  readonly settled: string[] | null
  readonly awaited: string[] | null
}

/** The end of a settling statement. All settled is the common case and answers no ids at all. */
export function settledAnswer(rows: string, countParameter: number): string {
  return `select case when count(*) < $${countParameter}::int then coalesce(array_agg(job_id::text), '{}') end as settled,
       array_agg(job_id::text) filter (where awaited) as awaited from ${rows}`
}

export function settledOf(row: SettledRow | undefined, ids: readonly string[]): Settled {
  const settled = row?.settled
  const refused = settled ? new Set(ids.filter(id => !settled.includes(id))) : NOTHING_REFUSED
  return { refused, awaited: row?.awaited ?? [] }
}

/** An element of a text array literal; our own ids need no quotes. */
function arrayItem(text: string): string {
  return /^[0-9a-z-]+$/.test(text) ? text : `"${text.replaceAll(/["\\]/g, '\\$&')}"`
}
