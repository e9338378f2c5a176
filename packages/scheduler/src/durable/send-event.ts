import { describeDatabaseError } from '../database/database-error.ts'
import type { Queryable } from '../database/database.ts'
import { show } from '../errors.ts'
import { requireKey } from '../job/job-id.ts'
import { serializePayload } from '../job/payload.ts'
import { sealedAs, sealValue } from '../job/sealed-value.ts'
import { parseDuration, type Duration } from '../runtime/duration.ts'
import { sendEvent as storeEvent } from '../store/send-event.ts'
import { againOnConflict } from './again-on-conflict.ts'
import type { DurableParts } from './journal.ts'

/** Options of an event that is sent. */
export interface SendEventOptions {
  /** What it is about, such as an order's number; jobs that wait with the same key get it. Default: no key. */
  key?: string
  /** What the waiting jobs are answered: plain JSON. Default null. */
  payload?: unknown
  /** How long jobs that begin to wait after it was sent still get it. Default 7 days. */
  keep?: Duration
}

/** As long as completed jobs are kept by default. */
const KEEP_MS = 7 * 86_400_000

/**
 * Sends an event, in the caller's transaction if there is one; answers how many waiting jobs it reached at once.
 * @throws BelfryError `BELFRY_INVALID_JOB_ID`, `BELFRY_INVALID_PAYLOAD`, `BELFRY_PAYLOAD_TOO_LARGE`,
 *   `BELFRY_INVALID_DURATION`, `BELFRY_DATABASE_…`
 */
export async function sendEvent(
  parts: DurableParts,
  name: string,
  { key, payload, keep, transaction }: SendEventOptions & { transaction?: Queryable | undefined },
): Promise<{ delivered: number }> {
  const { database, tables, options } = parts
  const topic = { event: requireKey(name, 'name of an event'), key: key === undefined ? '' : requireKey(key, 'key') }
  const text = serializePayload(payload ?? null, `event ${show(name)}`, options.maxPayloadBytes)
  const event = {
    ...topic,
    payload: sealValue(options.payloadCipher, text, sealedAs.event(topic.event, topic.key)),
    keepMs: parseDuration(keep ?? KEEP_MS, `keep of ${show(name)}`),
    now: parts.clock.databaseNow()?.toISOString() ?? null,
  }
  try {
    const delivered = transaction
      ? await storeEvent(transaction, tables, event)
      : await againOnConflict(() => database.transaction(own => storeEvent(own, tables, event)))
    return { delivered }
  } catch (error) {
    throw describeDatabaseError(error)
  }
}
