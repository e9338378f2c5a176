import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/** A pause: of everything (`*`), of a type, of one key of it, or (without a type) of the subject that `lane` names. */
export interface PauseRow {
  readonly job_type: string
  readonly lane: string
  readonly reason: string | null
  readonly paused_ms: number
}

/** In place of a type: every type. */
export const EVERY_TYPE = '*'

/** In place of a type, which never has this name: what is paused is a subject. */
export const OF_SUBJECT = ''

/**
 * Stops jobs from being claimed, in every process, from this statement's commit on. False when they were stopped already,
 * for the same reason.
 */
export async function addPause(
  transaction: Queryable,
  tables: Tables,
  pause: { jobType: string; lane: string; reason: string | null; now: string | null },
): Promise<boolean> {
  const added = await transaction.query(
    `insert into ${tables.pauses} as stored (job_type, lane, reason, paused_at)
     values ($1::text, $2::text, $3::text, coalesce($4::text::timestamptz, now()))
     on conflict (job_type, lane) do update set reason = excluded.reason
       where stored.reason is distinct from excluded.reason returning 1`,
    [pause.jobType, pause.lane, pause.reason, pause.now],
  )
  return added.rows.length > 0
}

/** Ends a pause; false when there was none. Runners are told. */
export async function removePause(
  transaction: Queryable,
  tables: Tables,
  pause: { jobType: string; lane: string },
): Promise<boolean> {
  const removed = await transaction.query<{ hint: string }>(
    `with gone as (delete from ${tables.pauses} where job_type = $1::text and lane = $2::text returning 1)
     select pg_notify($3::text, 'due')::text as hint from gone`,
    [pause.jobType, pause.lane, tables.channel],
  )
  return removed.rows.length > 0
}

export async function listPauses(database: Queryable, tables: Tables): Promise<PauseRow[]> {
  const found = await database.query<PauseRow>(
    `select job_type, lane, reason, date_part('epoch', paused_at) * 1000 as paused_ms
     from ${tables.pauses} order by job_type, lane`,
  )
  return found.rows
}

/**
 * Condition: one of these subjects is paused.
 * @param subjects an expression for an array of them, or null for none
 */
export function isSubjectPaused({ pauses }: Tables, subjects: string): string {
  return `exists (select from ${pauses} pause where pause.job_type = '${OF_SUBJECT}' and pause.lane = any (${subjects}))`
}

/** Condition on a type's name: it is not paused as a whole. */
export function isNotPaused({ pauses }: Tables, jobType: string): string {
  return `not exists (select from ${pauses} pause
    where pause.lane = '' and pause.job_type in ('${EVERY_TYPE}', ${jobType}))`
}
