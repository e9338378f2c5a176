import type { Queryable } from '../database/database.ts'
import type { Tables } from './tables.ts'

/** What was done. */
export type AuditAction =
  | 'cancel_jobs'
  | 'redrive_jobs'
  | 'delete_jobs'
  | 'postpone_jobs'
  | 'set_time_zone'
  | 'erase_subject'
  | 'pause'
  | 'resume'
  | 'set_limits'
  | 'reseal_payloads'
  | 'cancel_job'
  | 'redrive_job'
  | 'change_job'
  | 'add_schedule'
  | 'change_schedule'
  | 'remove_schedule'
  | 'pause_schedule'
  | 'resume_schedule'
  | 'trigger_schedule'
  | 'backfill_schedule'

/** One act of a person or program on jobs or schedules, as it is written down. Never carries payloads. */
export interface AuditNote {
  readonly actor: string
  readonly action: AuditAction
  /** What was acted on: a subject, a filter, a job, a schedule. */
  readonly target: string
  readonly detail: Readonly<Record<string, unknown>>
}

/** Writes an act of somebody down. */
export type WriteNote = (note: Omit<AuditNote, 'actor'>) => Promise<unknown>

export interface AuditRow extends AuditNote {
  readonly audit_id: string
  readonly at_ms: number
}

/**
 * Writes an act down, in the transaction that does it. Answers the entry's id.
 * @param now ISO text, or null for the database's clock
 */
export async function writeAudit(
  transaction: Queryable,
  tables: Tables,
  note: AuditNote & { now: string | null },
): Promise<string> {
  const written = await transaction.query<{ audit_id: string }>(
    `insert into ${auditTable(tables)} (at, actor, action, target, detail)
     values (coalesce($5::text::timestamptz, clock_timestamp()), $1::text, $2::text, $3::text, $4::text::jsonb)
     returning audit_id::text`,
    [note.actor, note.action, note.target, JSON.stringify(note.detail), note.now],
  )
  return written.rows[0]?.audit_id ?? ''
}

/** Adds to the detail of an act that goes on, in the transaction of its next batch. */
export async function extendAudit(
  transaction: Queryable,
  tables: Tables,
  entry: { auditId: string; detail: Readonly<Record<string, unknown>> },
): Promise<void> {
  await transaction.query(
    `update ${auditTable(tables)} set detail = detail || $2::text::jsonb where audit_id = $1::text::bigint`,
    [entry.auditId, JSON.stringify(entry.detail)],
  )
}

/** Acts, latest first. `before` is the id of an entry: only those made before it. */
export async function readAudit(
  database: Queryable,
  tables: Tables,
  request: { actor: string | null; action: string | null; target: string | null; before: string | null; limit: number },
): Promise<AuditRow[]> {
  const found = await database.query<AuditRow>(
    `select audit_id::text, (extract(epoch from at) * 1000)::float8 as at_ms, actor, action, target, detail
     from ${auditTable(tables)}
     where ($1::text is null or actor = $1::text) and ($2::text is null or action = $2::text)
       and ($3::text is null or target = $3::text) and ($4::text is null or audit_id < $4::text::bigint)
     order by audit_id desc limit $5::int`,
    [request.actor, request.action, request.target, request.before, request.limit],
  )
  return found.rows
}

function auditTable({ schema }: Tables): string {
  return `${schema}.belfry_audit`
}
