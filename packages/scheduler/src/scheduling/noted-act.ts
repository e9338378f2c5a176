import { databaseNow, type Core } from '../core.ts'
import type { Queryable } from '../database/database.ts'
import { actorOf, type NamedActorOption } from '../job/actor.ts'
import { writeAudit, type AuditNote, type WriteNote } from '../store/audit.ts'
import type { JobChanges } from './schedule-options.ts'
import { transactionOf, type TransactionOption } from './transaction-option.ts'

/** Options of an act on one job. */
export type SingleActOptions = TransactionOption & NamedActorOption

/** Acts in the caller's transaction, if there is one. An act with a name to it has its note in the same transaction. */
export async function notedAct<Result>(
  core: Core,
  options: SingleActOptions,
  act: (queryable: Queryable, note: WriteNote) => Promise<Result>,
): Promise<Result> {
  const transaction = transactionOf(options)
  if (options.actor === undefined) return act(transaction ?? core.database, async () => {})
  const actor = actorOf(options)
  const named = (inside: Queryable) =>
    act(inside, note => writeAudit(inside, core.tables, { ...note, actor, now: databaseNow(core) }))
  return transaction ? named(transaction) : core.database.transaction(named)
}

/** What a change was, for the audit: the payload's contents are nobody's business there. */
export function noteOfChanges(changes: JobChanges): AuditNote['detail'] {
  const { scheduledTime, delay, window, timeZone, priority, maxRetries, payload } = changes
  const known = { scheduledTime, delay, window, timeZone, priority, maxRetries }
  return payload === undefined ? known : { ...known, payload: 'changed' }
}
