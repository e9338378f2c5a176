import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { place, wantedTime, windowFor } from '../job/delivery.ts'
import { readableDelivery } from '../job/stored-fields.ts'
import type { DeliveryRow } from '../store/find-delivery.ts'
import { moveDeliveries } from '../store/move-deliveries.ts'
import { readNow } from '../store/save-schedule.ts'

/** Types whose jobs have a delivery window, as far as this process knows. */
export function windowedTypes({ registry }: Core): readonly string[] {
  return registry.all().flatMap(({ type, window }) => (window ? [type] : []))
}

/**
 * Moves jobs that have become due by the end of others to the next opening of their delivery window, their deadline with
 * them: one that counts two hours from the evening would be over before the morning.
 */
export async function moveIntoWindows(core: Core, transaction: Queryable, rows: readonly DeliveryRow[]): Promise<void> {
  if (rows.length === 0) return
  const now = await readNow(transaction, databaseNow(core))
  const moves = rows.flatMap(row => {
    const { job_id: jobId, due_ms: due, spread_key: key } = row
    const delivery = readableDelivery(row.delivery)
    const window = windowFor(core.registry.find(row.job_type), delivery)
    if (!window || !Number.isFinite(due)) return []
    const wanted = wantedTime(window, { due, delivery, putOff: false }, now)
    const placed = place(window, { wanted, now, key, delivery })
    if (placed.due === due) return []
    return [{ jobId, dueMs: placed.due, delivery: placed.delivery, movesDeadline: true as const }]
  })
  if (moves.length > 0) await moveDeliveries(transaction, core.tables, moves)
}
