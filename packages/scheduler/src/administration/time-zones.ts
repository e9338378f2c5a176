import type { Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { quoteLiteral } from '../database/identifier.ts'
import { place, wantedTime, windowFor } from '../job/delivery.ts'
import { requireZone } from '../job/delivery-window.ts'
import { readableDelivery } from '../job/stored-fields.ts'
import type { BulkRequest } from '../store/bulk-batch.ts'
import { moveDeliveries, pickDeliveries, type MovedBatch } from '../store/move-deliveries.ts'
import { readNow } from '../store/save-schedule.ts'
import { actOnRows, noted, type ActOptions, type ActResult, type LocalRunner } from './bulk-acts.ts'

/** What a change of zone did, or would do. */
export interface SetTimeZoneResult extends ActResult {
  /** Jobs that go by the zone now. */
  readonly changed: number
}

/** Gives every pending job of a subject that has a delivery window another zone, and places it anew. */
export async function setTimeZone(
  core: Core,
  { subject, timeZone }: { subject: string; timeZone: string },
  options: ActOptions & { runner: LocalRunner },
): Promise<SetTimeZoneResult> {
  const zone = requireZone(timeZone)
  const windowed = core.registry.all().filter(each => each.window)
  const types = windowed.map(each => quoteLiteral(each.type)).join(', ')
  const extra = `lease_token is null and (jsonb_typeof(options->'delivery') = 'object'
    ${types ? `or job_type in (${types})` : ''})`
  const { changed, jobIds, dryRun } = await actOnRows(
    core,
    { subject },
    {
      ...noted(options, 'set_time_zone'),
      dryRun: options.dryRun === true,
      from: core.tables.live,
      extra,
      detail: { timeZone: zone },
      step: (transaction, request) => moveBatch(core, transaction, { ...request, extra, zone }),
      idsOf: (batch: MovedBatch) => batch.moved,
      name: 'changed',
    },
  )
  if (!dryRun) options.runner.wake()
  return { dryRun, changed, jobIds }
}

async function moveBatch(
  core: Core,
  transaction: Queryable,
  request: BulkRequest & { extra: string; zone: string },
): Promise<MovedBatch> {
  const rows = await pickDeliveries(transaction, core.tables, request)
  const now = await readNow(transaction, request.now)
  const moves = rows.map(row => {
    const { due_ms: due, put_off: putOff, spread_key: key } = row
    const definition = core.registry.find(row.job_type)
    const delivery = readableDelivery(row.delivery)
    const wanted = wantedTime(windowFor(definition, delivery), { due, delivery, putOff }, now)
    const moved = { ...delivery, timeZone: request.zone }
    const placed = place(windowFor(definition, moved), { wanted, now, key, delivery: moved })
    return { jobId: row.job_id, dueMs: placed.due === due ? null : placed.due, delivery: placed.delivery }
  })
  const moved = await moveDeliveries(transaction, core.tables, moves)
  return { picked: rows.length, last_id: rows.at(-1)?.job_id ?? null, moved }
}
