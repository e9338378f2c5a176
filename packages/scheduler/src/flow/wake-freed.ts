import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { wakeLanes } from '../store/admit-jobs.ts'
import type { FreedKey } from '../store/freed-key.ts'
import { hintDue } from '../store/hint-due.ts'
import { lockTypeRow, readLanes, WHOLE_TYPE } from '../store/lanes.ts'
import { limitsIn } from './lane-state.ts'

/**
 * Jobs that had not ended were removed: who waited for what they held goes on, as it does when a job ends. After their
 * commit, since it takes the lock of the type that claims take: without it a claim of that moment could still see them,
 * and put others aside behind them for good; held until a caller's commit, it would stop every claim of the type.
 * What this fails to do is done by the next look for those that wait in vain.
 */
export async function wakeFreed(core: Core, freed: readonly FreedKey[]): Promise<void> {
  for (const jobType of new Set(freed.map(each => each.jobType))) {
    const lanes = new Set(freed.flatMap(each => (each.jobType === jobType && each.lane !== null ? [each.lane] : [])))
    try {
      await core.database.transaction(transaction => wakeType(core, transaction, { jobType, lanes: [...lanes] }))
    } catch (error) {
      core.events.emit('database:error', { during: 'free slots', error })
    }
  }
}

/** Another transaction is through that removed such a job: any process that runs its type may do it. */
export async function hearFreed(core: Core, freed: FreedKey): Promise<void> {
  if (core.registry.handledTypes().includes(freed.jobType)) await wakeFreed(core, [freed])
}

async function wakeType(
  core: Core,
  transaction: Queryable,
  { jobType, lanes }: { jobType: string; lanes: readonly string[] },
): Promise<void> {
  const { tables, registry } = core
  await hintDue(transaction, tables)
  if (lanes.length === 0) return
  const [row] = await readLanes(transaction, tables, { jobType, lanes: [WHOLE_TYPE], now: databaseNow(core) })
  const definition = registry.find(jobType)
  const perKey = row && limitsIn(row, definition).perKey
  // A process that does not know the type cannot tell; those that run it put aside again who came too early.
  if (perKey?.fair || (!perKey && definition)) return
  await lockTypeRow(transaction, tables, jobType)
  const { concurrency, fifo: strict = false } = perKey ?? {}
  await wakeLanes(transaction, tables, { jobType, lanes, concurrency, strict })
}
