import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { BelfryError, show } from '../errors.ts'
import { againOnConflict } from '../durable/again-on-conflict.ts'
import { actorOf, type ActorOption } from '../job/actor.ts'
import { requireKey } from '../job/job-id.ts'
import { requireJobType } from '../job/job-type.ts'
import { refuseUndefined, refuseUnknown, requireOptions, type KnownNames } from '../job/known-names.ts'
import { resolveLimits, type Limits } from '../job/limits.ts'
import { requireReason } from '../job/reason.ts'
import { releaseLanes, wakeLanes } from '../store/admit-jobs.ts'
import { writeAudit } from '../store/audit.ts'
import { readLanes, saveLimits, WHOLE_TYPE } from '../store/lanes.ts'
import { bringForward } from '../store/bring-forward.ts'
import { addPause, EVERY_TYPE, listPauses, OF_SUBJECT, removePause, type PauseRow } from '../store/pauses.ts'

/** What to pause: everything, the jobs of a type, those of one key of it, or all that is about a subject. */
export type PauseTarget =
  | { readonly jobType?: never; readonly concurrencyKey?: never; readonly subject?: never }
  | { readonly jobType: string; readonly concurrencyKey?: string; readonly subject?: never }
  | { readonly subject: string; readonly jobType?: never; readonly concurrencyKey?: never }

/** A pause that stands. */
export interface Pause {
  /** Null: everything is paused, or a subject. */
  readonly jobType: string | null
  /** Null: the whole type. */
  readonly concurrencyKey: string | null
  /** Null: no subject is meant. */
  readonly subject: string | null
  readonly reason: string | null
  readonly since: Date
}

/**
 * Stops jobs from starting in every process.
 * @throws BelfryError `BELFRY_INVALID_OPTION` for a key of a type that is known to have no limits
 */
export async function pauseJobs(
  core: Core,
  target: PauseTarget,
  options: ActorOption & { readonly reason?: string },
): Promise<void> {
  const where = placeOf(target)
  const actor = actorOf(options)
  const reason = options.reason === undefined ? null : requireReason(options.reason)
  await core.database.transaction(async transaction => {
    await requireLimits(core, transaction, where)
    const now = databaseNow(core)
    if (!(await addPause(transaction, core.tables, { ...where, reason, now }))) return
    const note = { actor, action: 'pause' as const, target: nameOf(where), detail: { reason } }
    await writeAudit(transaction, core.tables, { ...note, now })
  })
}

/** Ends a pause; false when there was none. */
export async function resumeJobs(core: Core, target: PauseTarget, options: ActorOption): Promise<boolean> {
  const where = placeOf(target)
  const actor = actorOf(options)
  const resuming = async (transaction: Queryable) => {
    if (!(await removePause(transaction, core.tables, where))) return false
    const { jobType, lane } = where
    if (jobType === OF_SUBJECT) await bringForward(transaction, core.tables, lane)
    else if (lane !== '') {
      await wakeLanes(transaction, core.tables, { jobType, lanes: [lane], concurrency: undefined, strict: false })
    }
    const note = { actor, action: 'resume' as const, target: nameOf(where), detail: {} }
    await writeAudit(transaction, core.tables, { ...note, now: databaseNow(core) })
    return true
  }
  return againOnConflict(() => core.database.transaction(resuming))
}

export async function readPauses(core: Core): Promise<Pause[]> {
  const rows = await listPauses(core.database, core.tables)
  return rows.map(row => ({ ...meantBy(row), reason: row.reason, since: new Date(row.paused_ms) }))
}

function meantBy({ job_type: jobType, lane }: PauseRow): Pick<Pause, 'jobType' | 'concurrencyKey' | 'subject'> {
  if (jobType === OF_SUBJECT) return { jobType: null, concurrencyKey: null, subject: lane }
  return { jobType: jobType === EVERY_TYPE ? null : jobType, concurrencyKey: lane === '' ? null : lane, subject: null }
}

/** Sets a type's limits in every process, or with null goes back to those of its definition. */
export async function setLimits(
  core: Core,
  change: { jobType: string; limits: Limits | null },
  options: ActorOption,
): Promise<void> {
  const jobType = requireJobType(change.jobType)
  const limits = change.limits === null ? null : resolveLimits(change.limits, `limits of ${jobType}`)
  const actor = actorOf(options)
  await core.database.transaction(async transaction => {
    await saveLimits(transaction, core.tables, { jobType, limits })
    await releaseLanes(transaction, core.tables, jobType)
    const note = { actor, action: 'set_limits' as const, target: jobType, detail: { limits } }
    await writeAudit(transaction, core.tables, { ...note, now: databaseNow(core) })
  })
}

/** Keys are looked at where their type has limits: elsewhere a pause of one would stand and stop nothing. */
async function requireLimits(
  { registry, tables }: Core,
  transaction: Queryable,
  { jobType, lane }: { jobType: string; lane: string },
): Promise<void> {
  if (lane === '' || jobType === OF_SUBJECT) return
  const [row] = await readLanes(transaction, tables, { jobType, lanes: [WHOLE_TYPE], now: null })
  const definition = registry.find(jobType)
  // A process that does not know the type cannot tell.
  if (!row || row.limits !== null || !definition || definition.limits) return
  throw new BelfryError(
    'BELFRY_INVALID_OPTION',
    `concurrencyKey: expected a type with limits beside it, and ${show(jobType)} has none: ` +
      'pause the whole type, or give it limits, such as { perKey: { concurrency: 10 } }',
  )
}

const TARGET: KnownNames<PauseTarget> = { jobType: true, concurrencyKey: true, subject: true }

/** What is meant: nothing but an empty target means everything, in every process. */
function placeOf(target: PauseTarget): { jobType: string; lane: string } {
  requireOptions(target, 'target, such as { jobType } or, for everything, {}')
  refuseUnknown(target, TARGET, 'target')
  refuseUndefined(target, 'target')
  if (target.subject !== undefined) {
    if (Object.keys(target).length === 1) return { jobType: OF_SUBJECT, lane: requireKey(target.subject, 'subject') }
    throw new BelfryError('BELFRY_INVALID_OPTION', 'target: expected subject, or jobType, got both; nothing was done')
  }
  if (target.jobType === undefined) {
    if (target.concurrencyKey === undefined) return { jobType: EVERY_TYPE, lane: '' }
    throw new BelfryError('BELFRY_INVALID_OPTION', 'concurrencyKey: expected jobType beside it, got none')
  }
  if (target.jobType === EVERY_TYPE) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `target.jobType: expected the name of a type, or {} for everything, got ${show(EVERY_TYPE)}; nothing was done`,
    )
  }
  const lane = target.concurrencyKey === undefined ? '' : requireKey(target.concurrencyKey, 'concurrencyKey')
  return { jobType: requireJobType(target.jobType), lane }
}

function nameOf({ jobType, lane }: { jobType: string; lane: string }): string {
  if (jobType === EVERY_TYPE) return 'everything'
  if (jobType === OF_SUBJECT) return `subject ${lane}`
  return lane === '' ? jobType : `${jobType}, key ${lane}`
}
