import type { Clock, Logger } from 'belfry'
import type { Database, Queryable } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import { addTurn } from '../memory/conversation-store.ts'
import type { Delivery } from '../messaging/platform.ts'
import { notePrivateConversation } from '../users/private-conversation-store.ts'
import { lockPerson, recordFollowUpSent } from '../users/profile-store.ts'
import { findFollowUpOfNonce, markSent, type OutboxRow } from './outbox-store.ts'

export interface SentParts {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
}

/** A message of ours that a platform shows to be there. */
export interface SeenMessage {
  readonly nonce: string
  readonly platformMessageId: string
  /** Where it is: the person's own conversation with the bot. */
  readonly conversationId: string
}

/**
 * Outbox row, turn and profile of a follow-up that went out, in a transaction under its person's lock. False when that is
 * known already, or all about them has been erased.
 */
export async function recordSent(
  transaction: Queryable,
  row: OutboxRow,
  sent: Partial<Delivery> & { readonly at: string | null; readonly now: string | null },
): Promise<boolean> {
  if (!(await markSent(transaction, { ...sent, id: row.id }))) return false
  await addTurn(transaction, {
    conversationId: sent.conversationId ?? row.conversationId,
    userId: row.userId,
    author: 'bot',
    kind: 'follow_up',
    text: row.message,
    messageId: `follow-up:${row.jobId}`,
    followUpId: row.id,
    now: sent.now,
  })
  await recordFollowUpSent(transaction, row.userId, sent.at)
  return true
}

/**
 * Keeps that a follow-up went out: outbox row, turn and profile in one transaction, once, however many witnesses say so.
 * @param delivery.at when it went out; undefined: now
 */
export async function storeSent(
  { database, clock, logger }: SentParts,
  row: OutboxRow,
  delivery: Delivery & { readonly at: Date | undefined },
): Promise<{ readonly outcome: 'sent'; readonly followUpId: number }> {
  const at = delivery.at?.toISOString() ?? databaseNow(clock)
  const isNews = await database.transaction(async transaction => {
    await lockPerson(transaction, row.userId)
    const conversationId = delivery.conversationId ?? row.conversationId
    if (!row.inChannel) await notePrivateConversation(transaction, { userId: row.userId, conversationId })
    return recordSent(transaction, row, { ...delivery, at, now: databaseNow(clock) })
  })
  const { deduplicated } = delivery
  if (isNews) logger.info({ event: 'follow_up_sent', job_id: row.jobId, deduplicated }, 'follow-up sent')
  return { outcome: 'sent', followUpId: row.id }
}

/**
 * The second witness: a platform calls this when it sees a message of ours, whose answer may have been lost. Does nothing
 * for a message that is no follow-up or is known to be sent. Answers whether this was news.
 */
export async function witnessSent(parts: SentParts, seen: SeenMessage): Promise<boolean> {
  const row = await findFollowUpOfNonce(parts.database, seen.nonce, databaseNow(parts.clock))
  if (!row || row.state === 'sent') return false
  await storeSent(parts, row, {
    platformMessageId: seen.platformMessageId,
    conversationId: seen.conversationId,
    deduplicated: false,
    at: row.attemptedAt,
  })
  return true
}
