import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { BelfryError } from '../errors.ts'
import { actorOf, type ActorOption } from '../job/actor.ts'
import type { PayloadCipher } from '../job/payload-cipher.ts'
import { openValue, sealValue } from '../job/sealed-value.ts'
import { extendAudit, writeAudit } from '../store/audit.ts'
import { countSealed } from '../store/count-sealed.ts'
import { lockStale, storeSealed } from '../store/reseal.ts'
import { unfinishedColumns, type SealedColumn } from '../store/sealed-columns.ts'

/** Values of one transaction: short locks, little work at once. */
const BATCH = 200

/** What is stored under one key of a `payloadCipher`. */
export interface PayloadKeyCount {
  /** The key's id; null for what is not encrypted. */
  readonly key: string | null
  /** Payloads, progress and steps of unfinished jobs, schedules' payloads and events: what `resealPayloads` can change. */
  readonly unfinished: number
  /** Payloads, results and progress of finished jobs: they go with their retention. */
  readonly finished: number
}

/** What sealing anew came to. */
export interface ResealResult {
  readonly resealed: number
  /** Values that could not be opened: this process lacks their key, or they were changed. They stay as they are. */
  readonly unreadable: number
}

export function readPayloadKeys({ database, tables }: Core): Promise<PayloadKeyCount[]> {
  return countSealed(database, tables)
}

/**
 * Encrypts what is still to be used with the current key, if it is under another one or under none. What is held by
 * somebody else at that moment is passed over.
 * @throws BelfryError `BELFRY_INVALID_OPTION` without a `payloadCipher`
 */
export async function resealPayloads(core: Core, options: ActorOption): Promise<ResealResult> {
  const { database, tables } = core
  const cipher = core.options.payloadCipher
  const actor = actorOf(options)
  if (!cipher) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      'payloadCipher: expected by resealPayloads, got none; call it on a scheduler with the old key and the new one',
    )
  }
  const counts = { resealed: 0, unreadable: 0 }
  const note = {
    actor,
    action: 'reseal_payloads' as const,
    target: cipher.current,
    detail: counts,
    now: databaseNow(core),
  }
  const auditId = await writeAudit(database, tables, note)
  for (const column of unfinishedColumns(tables)) {
    let after: readonly string[] | undefined = []
    while (after) {
      const from: readonly string[] = after
      after = await database.transaction(async transaction => {
        const batch = await resealBatch(transaction, column, { cipher, from })
        counts.resealed += batch.resealed
        counts.unreadable += batch.unreadable
        await extendAudit(transaction, tables, { auditId, detail: counts })
        return batch.next
      })
    }
  }
  return counts
}

/** `next`: behind which row to go on; undefined when there is no more. */
async function resealBatch(
  transaction: Queryable,
  column: SealedColumn,
  { cipher, from }: { cipher: PayloadCipher; from: readonly string[] },
): Promise<ResealResult & { next: readonly string[] | undefined }> {
  const stale = await lockStale(transaction, column, { currentKey: cipher.current, after: from, limit: BATCH })
  const sealed = stale.flatMap(({ place, names, value }) => {
    const text = sealedAnew(cipher, value, column.sealedAs(...names))
    return text === undefined ? [] : [{ place, text }]
  })
  if (sealed.length > 0) await storeSealed(transaction, column, sealed)
  const next = stale.length < BATCH ? undefined : stale.at(-1)?.key
  return { resealed: sealed.length, unreadable: stale.length - sealed.length, next }
}

function sealedAnew(cipher: PayloadCipher, stored: unknown, of: string): string | undefined {
  let value: unknown
  try {
    value = openValue(cipher, stored, of)
  } catch {
    return undefined
  }
  return sealValue(cipher, JSON.stringify(value), of)
}
