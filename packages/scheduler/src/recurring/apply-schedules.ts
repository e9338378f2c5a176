import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { BelfryError, show } from '../errors.ts'
import { refuseUnaffordable } from '../flow/set-limits.ts'
import { openIfPossible, sealedAs, sealValue } from '../job/sealed-value.ts'
import type { WriteNote } from '../store/audit.ts'
import { adoptSchedules, deleteSchedules, lockSchedules, readNow, saveSchedule } from '../store/save-schedule.ts'
import { listSchedules, type ScheduleRow } from '../store/schedule-rows.ts'
import { inShort, type SchedulePlan } from './schedule.ts'
import { differencesOf, hasSameTimes, type CheckedRow, type CheckedSchedule } from './schedule-definition.ts'

/** What to bring in line, and how far to go. */
export interface Reconciliation {
  readonly wanted: readonly CheckedSchedule[]
  readonly origin: 'code' | 'runtime'
  /** Which of the schedules that are not wanted go: those that came from code, or all. */
  readonly remove: 'none' | 'code' | 'all'
  /** Find out, change nothing. */
  readonly dryRun: boolean
  readonly note: WriteNote
}

/** Brings the stored schedules in line with definitions, in one transaction; answers what that did or would do. */
export async function applyChecked(
  core: Core,
  transaction: Queryable,
  reconciliation: Reconciliation,
): Promise<SchedulePlan> {
  const { tables } = core
  const { origin, dryRun, note } = reconciliation
  const wanted = reconciliation.wanted.toSorted((a, b) => (a.row.scheduleId < b.row.scheduleId ? -1 : 1))
  const ids = wanted.map(each => each.row.scheduleId)
  refuseRepeated(ids)
  await refuseUnaffordable(transaction, tables, wanted)
  const locked = await lockSchedules(transaction, tables, ids)
  const stored = new Map(locked.map(row => [row.schedule_id, row]))
  const differing = wanted.filter(({ row }) => {
    const there = stored.get(row.scheduleId)
    return !there || differencesOf(opened(core, there), row).length > 0
  })
  const removed = await idsToRemove(core, transaction, reconciliation)
  if (!dryRun) {
    const now = new Date(await readNow(transaction, databaseNow(core)))
    for (const each of differing) {
      const there = stored.get(each.row.scheduleId)
      const next = nextOf(each, there, now)
      const payload = sealValue(core.options.payloadCipher, each.row.payload, sealedAs.payload(each.row.jobType))
      const nextOccurrence = next?.toISOString() ?? null
      await saveSchedule(transaction, tables, { ...each.row, payload, origin, nextOccurrence })
      await note(noteOf(each.row, there && opened(core, there)))
    }
    if (origin === 'code') await adoptSchedules(transaction, tables, ids)
    for (const gone of removed.length > 0 ? await deleteSchedules(transaction, tables, removed) : []) {
      await note({ action: 'remove_schedule', target: gone.schedule_id, detail: inShort(gone) })
    }
  }
  const changes = differing.map(each => each.row.scheduleId)
  return {
    added: changes.filter(id => !stored.has(id)),
    changed: changes.filter(id => stored.has(id)),
    removed,
    unchanged: ids.filter(id => !changes.includes(id)),
  }
}

function noteOf(row: CheckedRow, before: ScheduleRow | undefined): Parameters<WriteNote>[0] {
  const { scheduleId: target, jobType, rule, timeZone } = row
  const detail = { jobType, rule, timeZone }
  if (!before) return { action: 'add_schedule', target, detail }
  const changes = { changed: differencesOf(before, row), before: inShort(before) }
  return { action: 'change_schedule', target, detail: { ...detail, ...changes } }
}

/** Compared as it reads: the same payload never looks the same twice when it is encrypted. */
function opened({ options }: Core, row: ScheduleRow): ScheduleRow {
  return { ...row, payload: openIfPossible(options.payloadCipher, row.payload, sealedAs.payload(row.job_type)) }
}

/** An unchanged rule keeps its next occurrence, so that restarts and other changes shift and lose nothing. */
function nextOf(wanted: CheckedSchedule, stored: ScheduleRow | undefined, now: Date): Date | undefined {
  const keeps = stored && stored.next_ms !== null && Number.isFinite(stored.next_ms) && hasSameTimes(stored, wanted.row)
  return keeps ? new Date(stored.next_ms ?? now) : wanted.rule.next(now)
}

async function idsToRemove(core: Core, transaction: Queryable, { wanted, remove }: Reconciliation): Promise<string[]> {
  if (remove === 'none') return []
  const kept = new Set(wanted.map(each => each.row.scheduleId))
  const all = await listSchedules(transaction, core.tables)
  return all
    .filter(row => !kept.has(row.schedule_id) && (remove === 'all' || row.origin === 'code'))
    .map(row => row.schedule_id)
}

function refuseRepeated(ids: readonly string[]): void {
  const repeated = ids.find((id, index) => ids.indexOf(id) !== index)
  if (repeated === undefined) return
  throw new BelfryError(
    'BELFRY_INVALID_OPTION',
    `schedules: expected each scheduleId once, got ${show(repeated)} twice`,
  )
}
