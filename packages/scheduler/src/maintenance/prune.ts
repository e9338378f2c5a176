import { databaseNow, type Core } from '../core.ts'
import { pruneFinished, pruneHistory } from '../store/prune-finished.ts'

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
  const all = async (name: keyof PruneCounts, deleteSome: () => Promise<number>) => {
    for (
      let deleted = ROWS_PER_STATEMENT;
      deleted === ROWS_PER_STATEMENT && !signal?.aborted;
      counts[name] += deleted
    ) {
      deleted = await deleteSome()
    }
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
    await all(status, () => pruneFinished(database, tables, request))
  }
  const request = { keepMs: options.retention.history, limit: ROWS_PER_STATEMENT, now }
  await all('history', () => pruneHistory(database, tables, request))
  return counts
}
