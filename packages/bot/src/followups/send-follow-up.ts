import { SnoozeError, type Clock, type JobContext, type Logger } from 'belfry'
import type { Database, Queryable } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import type { FollowUpPayload } from '../job-catalog.ts'
import { addTurn } from '../memory/conversation-store.ts'
import { lockPerson, recordFollowUpSent } from '../users/profile-store.ts'
import type { SuppressedPeople } from '../users/suppressed-people-store.ts'
import type { FollowUpComposer } from './compose-follow-up.ts'
import { storeDecision } from './decision-store.ts'
import { readFacts } from './facts-store.ts'
import {
  discardPrepared,
  findFollowUpOfJob,
  isJobKept,
  markSent,
  markWithheld,
  prepareFollowUp,
  type PreparedFollowUp,
} from './follow-up-store.ts'
import { evaluateGates, type GateReason } from './gates.ts'
import type { FollowUpPolicy } from './policy.ts'

export interface SenderParts {
  readonly database: Database
  readonly policy: FollowUpPolicy
  readonly clock: Clock
  readonly composer: FollowUpComposer
  readonly suppressedPeople: SuppressedPeople
  readonly logger: Logger
}

/** How a follow-up job ended; kept as the job's result. */
export type FollowUpResult =
  | { readonly outcome: 'sent'; readonly followUpId: number }
  | { readonly outcome: 'skipped'; readonly reason: GateReason | 'unsafe' | 'erased' }

interface Attempt {
  readonly parts: SenderParts
  readonly payload: FollowUpPayload
  readonly context: Pick<JobContext, 'jobId' | 'scheduledTime' | 'signal' | 'log'>
}

/**
 * Sends one follow-up, once. The gates decide before the text is written and again under the person's lock; the text is
 * frozen before it is sent; and since terminal and web read a conversation from the database, storing the turn *is* the
 * sending: turn, outbox row, profile and decision are one transaction. A process that dies anywhere leaves either nothing
 * or a message that is known to be sent.
 * @throws SnoozeError when the gates say later
 */
export async function sendFollowUp(
  parts: SenderParts,
  payload: FollowUpPayload,
  context: Attempt['context'],
): Promise<FollowUpResult> {
  const attempt = { parts, payload, context }
  const earlier = await findFollowUpOfJob(parts.database, context.jobId)
  if (earlier?.state === 'sent') return { outcome: 'sent', followUpId: earlier.id }
  const early = await aboutPerson(attempt, transaction => decide(attempt, transaction, 'prepare'))
  if (early === 'erased') return ERASED
  if (early !== 'allow') return withhold(attempt, early)
  const prepared = earlier ?? (await prepare(attempt))
  if (prepared === 'unsafe' || prepared === 'erased') return { outcome: 'skipped', reason: prepared }
  return deliver(attempt, prepared)
}

const ERASED: FollowUpResult = { outcome: 'skipped', reason: 'erased' }

/**
 * Does something about the person under their lock, unless they were erased while the job ran: its row is gone then, and
 * nothing about them may be written any more.
 */
function aboutPerson<T>(
  { parts, payload, context }: Attempt,
  work: (transaction: Queryable) => Promise<T>,
): Promise<T | 'erased'> {
  return parts.database.transaction(async transaction => {
    await lockPerson(transaction, payload.userId)
    return (await isJobKept(transaction, context.jobId)) ? work(transaction) : 'erased'
  })
}

type Decision = 'allow' | { deny: GateReason } | { defer: GateReason; until: Date }

async function decide(attempt: Attempt, queryable: Queryable, stage: 'prepare' | 'send'): Promise<Decision> {
  const { parts, payload, context } = attempt
  const now = databaseNow(parts.clock)
  const facts = await readFacts(queryable, payload.userId, { ...parts, now })
  const job = {
    automatic: payload.automatic,
    plannedAt: new Date(payload.plannedAt),
    dueAt: context.scheduledTime,
    seed: context.jobId,
  }
  const { verdict, reason, rule, until, gates } = evaluateGates({ ...facts, policy: parts.policy, job })
  await storeDecision(
    queryable,
    { userId: payload.userId, jobId: context.jobId, stage, verdict, reason, rule, until, gates },
    now,
  )
  context.log(`${stage}: ${verdict}${reason ? ` (${reason})` : ''}`)
  if (verdict === 'allow') return 'allow'
  if (verdict === 'defer' && until) return { defer: reason ?? 'gate_error', until }
  return { deny: reason ?? 'gate_error' }
}

async function withhold(attempt: Attempt, decision: Exclude<Decision, 'allow'>): Promise<FollowUpResult> {
  if ('defer' in decision) {
    if (decision.defer === 'recently_active') await discardPrepared(attempt.parts.database, attempt.context.jobId)
    throw new SnoozeError(decision.until, decision.defer)
  }
  await markWithheld(attempt.parts.database, attempt.context.jobId)
  return { outcome: 'skipped', reason: decision.deny }
}

async function prepare(attempt: Attempt): Promise<PreparedFollowUp | 'unsafe' | 'erased'> {
  const { parts, payload, context } = attempt
  const composed = await parts.composer.compose({ payload, signal: context.signal })
  if (composed === 'unsafe') return 'unsafe'
  const followUp = {
    jobId: context.jobId,
    userId: payload.userId,
    platform: composed.platform,
    conversationId: composed.conversationId,
    message: composed.text,
    context: payload.messageContext ?? {},
    source: composed.source,
    template: composed.template,
    automatic: payload.automatic,
    now: databaseNow(parts.clock),
  }
  return aboutPerson(attempt, transaction => prepareFollowUp(transaction, followUp))
}

/** The decision is committed whatever it is; only an allowed one comes with the message. */
async function deliver(attempt: Attempt, prepared: PreparedFollowUp): Promise<FollowUpResult> {
  const { parts, payload, context } = attempt
  const now = databaseNow(parts.clock)
  const late = await aboutPerson(attempt, async transaction => {
    const decision = await decide(attempt, transaction, 'send')
    if (decision !== 'allow') return decision
    // Another runner may have sent it while this one was frozen; its lock has been released then, and the row says so.
    if (!(await markSent(transaction, { id: prepared.id, now }))) return 'already'
    context.signal.throwIfAborted()
    await addTurn(transaction, {
      conversationId: prepared.conversationId,
      userId: payload.userId,
      author: 'bot',
      kind: 'follow_up',
      text: prepared.message,
      messageId: `follow-up:${context.jobId}`,
      followUpId: prepared.id,
      now,
    })
    await recordFollowUpSent(transaction, payload.userId, now)
    return 'sent'
  })
  if (late === 'erased') return ERASED
  if (late === 'sent') parts.logger.info({ event: 'follow_up_sent', job_id: context.jobId }, 'follow-up sent')
  return late === 'sent' || late === 'already' ? { outcome: 'sent', followUpId: prepared.id } : withhold(attempt, late)
}
