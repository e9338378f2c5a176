import type { Core } from '../core.ts'
import { requireKey } from '../job/job-id.ts'
import { requireOptions } from '../job/known-names.ts'
import { readAudit, type AuditAction } from '../store/audit.ts'
import { cursorOf, partsOf, requireLimit, type PageOptions } from './page.ts'

/** An administrative act as it was written down. */
export interface AuditEntry {
  readonly auditId: string
  readonly at: Date
  readonly actor: string
  readonly action: AuditAction
  /** A subject, a job's or schedule's id, what was paused, a group of errors, or `filter`: `detail.filter` says which. */
  readonly target: string
  /** The filter, the options and the counts. Never payloads. */
  readonly detail: Readonly<Record<string, unknown>>
}

/** Entries, newest first, and where the next ones begin. */
export interface AuditPage {
  readonly entries: readonly AuditEntry[]
  /** Where the next page begins; null on the last one. */
  readonly next: string | null
}

/** Which entries, and how many. */
export interface AuditQuery extends PageOptions {
  readonly actor?: string
  readonly action?: AuditAction
  readonly target?: string
}

/** Latest first. @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_JOB_ID` */
export async function readAuditPage(core: Core, query: AuditQuery): Promise<AuditPage> {
  const limit = requireLimit(requireOptions(query, 'query').limit)
  const [before = null] = query.after === undefined ? [] : partsOf(query.after, [/^\d{1,18}$/])
  const rows = await readAudit(core.database, core.tables, {
    actor: wordOf(query.actor, 'actor'),
    action: wordOf(query.action, 'action'),
    target: wordOf(query.target, 'target'),
    before,
    limit: limit + 1,
  })
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return {
    entries: shown.map(row => ({
      auditId: row.audit_id,
      at: new Date(row.at_ms),
      actor: row.actor,
      action: row.action,
      target: row.target,
      detail: row.detail,
    })),
    next: rows.length > limit && last ? cursorOf([last.audit_id]) : null,
  }
}

function wordOf(value: string | undefined, name: string): string | null {
  return value === undefined ? null : requireKey(value, name)
}
