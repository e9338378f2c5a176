import { databaseNow } from '../clock.ts'
import { recordSent } from './deliver-sent.ts'
import { moveFollowUp, type OutboxRow } from './outbox-store.ts'
import { aboutPerson, decide, ERASED, withhold, type Attempt, type FollowUpResult } from './send-attempt.ts'

/**
 * Delivers on a platform that reads conversations from the database: storing the turn *is* the sending. Turn, outbox row,
 * profile and decision are one transaction; a process that dies anywhere leaves either nothing or a message that is known
 * to be sent. The decision is committed whatever it is; only an allowed one comes with the message.
 */
export async function deliverStored(attempt: Attempt, row: OutboxRow): Promise<FollowUpResult> {
  const { parts, context } = attempt
  const now = databaseNow(parts.clock)
  const late = await aboutPerson(attempt, async transaction => {
    const decision = await decide(attempt, transaction, row)
    if (decision.verdict !== 'allow') return decision
    // Another runner may have sent it while this one was frozen; its lock has been released then, and the row says so.
    if (!(await moveFollowUp(transaction, row, { state: 'sending' }))) return 'already'
    context.signal.throwIfAborted()
    await recordSent(transaction, row, { at: now, now })
    return 'sent'
  })
  if (late === 'erased') return ERASED
  if (late !== 'sent' && late !== 'already') return withhold(attempt, late)
  context.spend(1)
  if (late === 'sent') parts.logger.info({ event: 'follow_up_sent', job_id: context.jobId }, 'follow-up sent')
  return { outcome: 'sent', followUpId: row.id }
}
