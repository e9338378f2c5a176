import { SnoozeError } from 'belfry'
import { databaseNow } from '../clock.ts'
import type { FollowUpPayload } from '../job-catalog.ts'
import { isReadFromDatabase } from '../messaging/platform.ts'
import { deliverRemote } from './deliver-remote.ts'
import { deliverStored } from './deliver-stored.ts'
import { contentHashOf, lookAgainInMs, nonceOf } from './delivery-decision.ts'
import { dormancyLine, isLastBeforeDormant } from './dormancy.ts'
import type { ReadFacts } from './facts-store.ts'
import { findFollowUpOfJob, moveFollowUp, prepareFollowUp, type OutboxRow } from './outbox-store.ts'
import {
  aboutPerson,
  decide,
  endWithheld,
  ERASED,
  resultOf,
  withhold,
  type Attempt,
  type FollowUpResult,
  type SenderParts,
} from './send-attempt.ts'

export type { FollowUpResult, SenderParts } from './send-attempt.ts'

const HOUR_MS = 3_600_000

/**
 * Sends one follow-up, once. The gates decide before the text is written and again under the person's lock; the text is
 * frozen before it is sent. A follow-up that an earlier attempt may have sent goes on where that one was.
 * @throws SnoozeError when the gates or the platform say later, NonRetryableError when the platform refuses for good
 */
export async function sendFollowUp(
  parts: SenderParts,
  payload: FollowUpPayload,
  context: Attempt['context'],
): Promise<FollowUpResult> {
  const attempt = { parts, payload, context }
  // Only what goes out is spent of the budget; an attempt that says nothing would count as sent.
  context.spend(0)
  const earlier = await findFollowUpOfJob(parts.database, context.jobId, databaseNow(parts.clock))
  if (earlier && earlier.state !== 'prepared') return deliver(attempt, earlier)
  const early = await aboutPerson(attempt, transaction => decide(attempt, transaction, 'prepare'))
  if (early === 'erased') return ERASED
  if (early.verdict !== 'allow') return withhold(attempt, early)
  const prepared = earlier ?? (await prepare(attempt, early.facts))
  if (prepared === 'erased') return ERASED
  return prepared === 'unsafe' ? endWithheld(attempt, 'unsafe') : deliver(attempt, prepared)
}

async function prepare(attempt: Attempt, facts: ReadFacts): Promise<OutboxRow | 'unsafe' | 'erased'> {
  const { parts, payload, context } = attempt
  const { person } = facts
  const variant = parts.experiment?.variants.find(each => each.name === payload.variant)
  const saysItPauses = person !== 'unreadable' && isLastBeforeDormant(person, parts.policy)
  const composed = await parts.composer.compose({
    payload,
    signal: context.signal,
    ...(variant && { variant }),
    ...(saysItPauses && { footer: dormancyLine }),
  })
  if (composed === 'unsafe') return 'unsafe'
  const lastMessageAt = person === 'unreadable' ? undefined : person.lastMessageAt
  const followUp = {
    jobId: context.jobId,
    userId: payload.userId,
    platform: composed.platform,
    conversationId: composed.conversationId,
    inChannel: composed.inChannel,
    message: composed.text,
    contentHash: contentHashOf(composed.text),
    nonce: nonceOf(context.jobId, context.scheduledTime.toISOString()),
    context: payload.messageContext ?? {},
    source: composed.source,
    template: composed.template,
    language: composed.language,
    variant: payload.variant,
    delayHours: lastMessageAt && (facts.now.getTime() - lastMessageAt.getTime()) / HOUR_MS,
    automatic: payload.automatic,
    silent: parts.silent,
    now: databaseNow(parts.clock),
  }
  return aboutPerson(attempt, transaction => prepareFollowUp(transaction, followUp))
}

function deliver(attempt: Attempt, row: OutboxRow): Promise<FollowUpResult> | FollowUpResult {
  const platform = attempt.parts.platforms?.find(each => each.name === row.platform)
  if (platform) return deliverRemote({ attempt, platform }, row)
  if (row.state !== 'prepared' && row.state !== 'sending' && row.state !== 'uncertain') return resultOf(row)
  return isReadFromDatabase(row.platform) ? deliverStored(attempt, row) : waitForPlatform(attempt, row)
}

/** The platform is not connected here; another process may have it, or this one after a restart. */
async function waitForPlatform({ parts }: Attempt, row: OutboxRow): Promise<FollowUpResult> {
  const isUnsent = row.state === 'prepared'
  const ageMs = isUnsent ? row.preparedAgoMs : (row.attemptedAgoMs ?? row.preparedAgoMs)
  const waitMs = lookAgainInMs({ ageMs, longestMs: parts.policy.maxLateMs })
  if (waitMs !== undefined) throw new SnoozeError(waitMs, `${row.platform} is not connected`)
  const code = 'platform_not_connected'
  await moveFollowUp(parts.database, row, { state: isUnsent ? 'failed' : 'uncertain', failureCode: code })
  return isUnsent ? { outcome: 'failed', followUpId: row.id, code } : { outcome: 'uncertain', followUpId: row.id }
}
