import type { Scheduler } from 'belfry'
import type { Queryable } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import { pendingFollowUps } from '../followups/follow-up-store.ts'
import { recordAct } from '../users/audit-store.ts'
import { lockPerson } from '../users/profile-store.ts'
import type { RightsParts } from './export-data.ts'
import { eraseRows, hasAskedForErasure, isBeingSent, jobsAbout, noteErasureAsked } from './personal-data-store.ts'

export interface ErasureParts extends RightsParts {
  /** Undefined without background jobs here; those of other processes find their rows gone. */
  readonly scheduler: Scheduler | undefined
}

/** What was erased: rows by section. */
export type Erased = Readonly<Record<string, number>>

/** How long a person has to confirm. */
export const CONFIRM_WITHIN_MS = 10 * 60_000
/** A job that sends a follow-up is stopped after this long: `followUpJob.timeout`. */
const LONGEST_SEND_MS = 2 * 60_000

/** A person asks to be erased: noted in the database, so that a restart before they confirm does not matter. */
export async function askForErasure(parts: RightsParts, userId: string): Promise<void> {
  const now = databaseNow(parts.clock)
  await parts.database.transaction(async transaction => {
    await lockPerson(transaction, userId)
    const isNew = await noteErasureAsked(transaction, userId, now)
    if (isNew) await parts.suppressedPeople.keepTheNo(transaction, { userId, now })
  })
}

/**
 * Erases a person who has asked for it within the last ten minutes, all or nothing. `not_asked`: they have not, or are
 * erased already. `being_sent`: a follow-up is on its way to their platform this very moment, and would arrive after they
 * were told that none will; nothing is erased then.
 */
export function erasePersonWhoAsked(parts: ErasureParts, userId: string): Promise<Erased | 'not_asked' | 'being_sent'> {
  const now = databaseNow(parts.clock)
  return parts.database.transaction(async transaction => {
    await lockPerson(transaction, userId)
    if (!(await hasAskedForErasure(transaction, { userId, withinMs: CONFIRM_WITHIN_MS, now }))) return 'not_asked'
    if (await isBeingSent(transaction, { userId, withinMs: LONGEST_SEND_MS, now })) return 'being_sent'
    return erase(parts, transaction, userId)
  })
}

/** Under the person's lock, so that a follow-up goes out before this, or finds its job gone and does not. */
async function erase(parts: ErasureParts, transaction: Queryable, userId: string): Promise<Erased> {
  const { clock, scheduler, suppressedPeople } = parts
  const now = databaseNow(clock)
  const jobIds = await jobsAbout(transaction, userId)
  // A running one is told through its signal as soon as this is committed; its row is gone by then.
  const pending = await pendingFollowUps(transaction, userId, now)
  for (const { jobId, running } of pending)
    if (running) await scheduler?.cancelJob(jobId, { reason: 'erased', transaction })
  const hashes = (await suppressedPeople.hashes(transaction, userId)).map(each => each.hash)
  const erased = await eraseRows(transaction, { userId, hashes, jobIds })
  await suppressedPeople.suppress(transaction, { userId, reason: 'erased', now })
  const [personHash] = hashes
  await recordAct(transaction, {
    actor: 'self',
    act: 'forget_me',
    detail: erased,
    now,
    ...(personHash && { personHash }),
  })
  return erased
}
