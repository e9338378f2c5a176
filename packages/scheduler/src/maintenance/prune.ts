import { databaseNow, type Core } from '../core.ts'
import { pruneEvents, pruneOrphanedSteps } from '../store/prune-durable.ts'
import { pruneLanes } from '../store/lanes.ts'
import { pruneFinished, pruneHistory } from '../store/prune-finished.ts'
import { prunePeriods } from '../store/unique-periods.ts'

/** Rows one statement deletes: short locks, and the event loop stays free on an embedded database. */
const ROWS_PER_STATEMENT = 1_000

/** Rows removed, by what they were. */
export interface PruneCounts {
  readonly completed: number
  readonly failed: number
  readonly cancelled: number
  readonly history: number
}

/** Removes finished jobs and attempts older than their retention, in small batches, until none is left or `signal` aborts. */
export async function prune(core: Core, signal?: AbortSignal): Promise<PruneCounts> {
  const { database, tables, options } = core
  const counts = { completed: 0, failed: 0, cancelled: 0, history: 0 }
  const all = async (deleteSome: () => Promise<number>) => {
    let total = 0
    for (let deleted = ROWS_PER_STATEMENT; deleted === ROWS_PER_STATEMENT && !signal?.aborted; total += deleted) {
      deleted = await deleteSome()
    }
    return total
  }
  const now = databaseNow(core)
  for (const status of ['completed', 'failed', 'cancelled'] as const) {
    const request = {
      status,
      keepMs: options.retention[status],
      keepHistoryMs: options.retention.history,
      limit: ROWS_PER_STATEMENT,
      now,
    }
    counts[status] = await all(() => pruneFinished(database, tables, request))
  }
  const request = { keepMs: options.retention.history, limit: ROWS_PER_STATEMENT, now }
  counts.history = await all(() => pruneHistory(database, tables, request))
  await all(() => pruneEvents(database, tables, { limit: ROWS_PER_STATEMENT, now }))
  await all(() => pruneOrphanedSteps(database, tables, { limit: ROWS_PER_STATEMENT }))
  await all(() => prunePeriods(database, tables, { limit: ROWS_PER_STATEMENT, now }))
  await pruneLanes(database, tables, now)
  return counts
}
