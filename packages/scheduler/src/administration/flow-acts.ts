import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { BelfryError, show } from '../errors.ts'
import { actorOf, type ActorOption } from '../job/actor.ts'
import { requireKey } from '../job/job-id.ts'
import { requireJobType } from '../job/job-type.ts'
import { refuseUndefined, refuseUnknown, requireOptions, type KnownNames } from '../job/known-names.ts'
import { resolveLimits, type Limits } from '../job/limits.ts'
import { requireReason } from '../job/reason.ts'
import { releaseLanes, wakeLanes } from '../store/admit-jobs.ts'
import { writeAudit } from '../store/audit.ts'
import { readLanes, saveLimits, WHOLE_TYPE } from '../store/lanes.ts'
import { addPause, EVERY_TYPE, listPauses, removePause } from '../store/pauses.ts'

/** What to pause: everything, the jobs of a type, or those of one key of it. */
export type PauseTarget =
  | { readonly jobType?: never; readonly concurrencyKey?: never }
  | { readonly jobType: string; readonly concurrencyKey?: string }

/** A pause that stands. */
export interface Pause {
  /** Null: everything is paused. */
  readonly jobType: string | null
  /** Null: the whole type. */
  readonly concurrencyKey: string | null
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
  return core.database.transaction(async transaction => {
    if (!(await removePause(transaction, core.tables, where))) return false
    if (where.lane !== '') {
      const { jobType, lane } = where
      await wakeLanes(transaction, core.tables, { jobType, lanes: [lane], concurrency: undefined, strict: false })
    }
    const note = { actor, action: 'resume' as const, target: nameOf(where), detail: {} }
    await writeAudit(transaction, core.tables, { ...note, now: databaseNow(core) })
    return true
  })
}

export async function readPauses(core: Core): Promise<Pause[]> {
  const rows = await listPauses(core.database, core.tables)
  return rows.map(row => ({
    jobType: row.job_type === EVERY_TYPE ? null : row.job_type,
    concurrencyKey: row.lane === '' ? null : row.lane,
    reason: row.reason,
    since: new Date(row.paused_ms),
  }))
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
  if (lane === '') return
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

const TARGET: KnownNames<PauseTarget> = { jobType: true, concurrencyKey: true }

/** What is meant: nothing but an empty target means everything, in every process. */
function placeOf(target: PauseTarget): { jobType: string; lane: string } {
  requireOptions(target, 'target, such as { jobType } or, for everything, {}')
  refuseUnknown(target, TARGET, 'target')
  refuseUndefined(target, 'target')
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
  return lane === '' ? jobType : `${jobType}, key ${lane}`
}
