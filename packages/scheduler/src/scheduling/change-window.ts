import type { Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { checkWindow, place, wantedTime, windowFor, type Delivery } from '../job/delivery.ts'
import { readableDelivery } from '../job/stored-fields.ts'
import type { DatabaseClock } from '../store/database-clock.ts'
import { findDelivery } from '../store/find-delivery.ts'
import { dueTime } from './check-job.ts'
import type { JobChanges } from './schedule-options.ts'

/** The part of a change that concerns the time and the window; what is undefined or null stays as it is. */
export interface ChangedTime {
  readonly scheduledTime: string | null
  readonly delayMs: number | null
  readonly delivery: Delivery | null | undefined
}

const NOTHING: ChangedTime = { scheduledTime: null, delayMs: null, delivery: undefined }

/**
 * What a change of time, window or zone makes of a pending job. Undefined when it is not pending (any more).
 * @throws BelfryError as scheduling does
 */
export async function changedTime(
  core: Core,
  job: { queryable: Queryable; jobId: string; clock: DatabaseClock },
  changes: JobChanges,
): Promise<ChangedTime | undefined> {
  const timed = changes.scheduledTime !== undefined || changes.delay !== undefined
  const due = dueTime(changes)
  const given = checkWindow(changes)
  if (!timed && !given) return NOTHING
  const found = await findDelivery(job.queryable, core.tables, job.jobId)
  if (!found) return undefined
  const row = { ...found, delivery: readableDelivery(found.delivery) }
  const definition = core.registry.find(row.job_type)
  const { moved: _void, ...before } = row.delivery ?? {}
  // A window of its own takes the place of the one before; a zone alone stands beside it.
  const kept = given?.window === undefined ? { ...before, ...given } : given
  const window = windowFor(definition, kept)
  if (timed && !window) return { ...due, delivery: row.delivery || given ? kept : undefined }
  const now = await job.clock.now(job.queryable)
  const old = windowFor(definition, row.delivery)
  const current = wantedTime(old, { due: row.due_ms, delivery: row.delivery, putOff: row.put_off }, now)
  const wanted = timed ? (due.scheduledTime === null ? now + due.delayMs : Date.parse(due.scheduledTime)) : current
  const placed = place(window, { wanted, now, key: row.spread_key, delivery: kept })
  const stays = placed.due === row.due_ms
  return {
    scheduledTime: stays ? null : new Date(placed.due).toISOString(),
    delayMs: null,
    delivery: placed.delivery,
  }
}
