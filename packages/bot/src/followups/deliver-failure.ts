import { SnoozeError } from 'belfry'
import type { Queryable } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import { languageOf } from '../llm/language.ts'
import type { DeliveryError } from '../messaging/platform.ts'
import { recordAct } from '../users/audit-store.ts'
import { lockPerson } from '../users/profile-store.ts'
import { losePlace } from '../users/settings-store.ts'
import { lastRest, lockControls, setControl } from './controls-store.ts'
import { afterFailure, contentHashOf, nonceOf, restFromOpeningMs, type AfterFailure } from './delivery-decision.ts'
import { templateFollowUps } from './follow-up-templates.ts'
import { lastFollowUps } from './follow-up-store.ts'
import { findFollowUpOfJob, moveFollowUp, replaceWithPlain, suppressPerson, type OutboxRow } from './outbox-store.ts'
import { resultOf, type Attempt, type FollowUpResult } from './send-attempt.ts'

interface FailedTry {
  readonly error: DeliveryError
  /** An earlier try may have gone out. */
  readonly doubtful: boolean
}

/** What comes after a failed try, if not later. */
type AfterTry =
  | { readonly next: 'plain'; readonly row: OutboxRow }
  | { readonly next: 'end'; readonly result: FollowUpResult }

/**
 * Keeps what a failed try means, for the message, its person and everybody.
 * @throws SnoozeError to go on later without spending a retry; the platform's error to spend one
 */
export async function settleFailure(attempt: Attempt, row: OutboxRow, tried: FailedTry): Promise<AfterTry> {
  const { parts, context } = attempt
  const { error, doubtful } = tried
  const after = afterFailure({
    failure: error.failure,
    retryAfterMs: error.retryAfterMs,
    doubtful,
    isPlain: row.isPlain,
    preparedAgoMs: row.preparedAgoMs,
    attemptedAgoMs: row.attemptedAgoMs ?? 0,
    longestMs: parts.policy.maxLateMs,
  })
  context.log(`${error.failure} (${error.code}): ${after.state}`)
  parts.logger.warn(
    { event: 'follow_up_not_delivered', job_id: context.jobId, failure: error.failure, code: error.code },
    'a follow-up was not delivered',
  )
  if (after.next === 'plain') return writePlain(attempt, row, error)
  const isLastRetry = after.next === 'retry' && context.retryCount >= context.maxRetries
  const state = isLastRetry && after.state === 'prepared' ? 'failed' : after.state
  const ends = isLastRetry || after.next === 'end'
  await keep(attempt, row, { error, state, ends })
  if (error.failure === 'halt') {
    const { code } = error
    parts.logger.error(
      { event: 'follow_ups_halted', platform: row.platform, code },
      'the platform refuses the bot: no follow-ups to anybody until an owner says !followup_resume',
    )
  }
  if (after.next === 'later') throw new SnoozeError(after.waitMs, error.code)
  if (!ends) throw error
  const ended = await findFollowUpOfJob(parts.database, context.jobId, databaseNow(parts.clock))
  return { next: 'end', result: resultOf(ended ?? row) }
}

/** The row, the person's suppression and the halt of the whole bot are one transaction. */
async function keep(
  { parts }: Attempt,
  row: OutboxRow,
  { error, state, ends }: { error: DeliveryError; state: AfterFailure['state']; ends: boolean },
): Promise<void> {
  const now = databaseNow(parts.clock)
  await parts.database.transaction(async transaction => {
    await lockPerson(transaction, row.userId)
    await moveFollowUp(transaction, row, { state, failureCode: ends ? error.code : undefined })
    if (row.inChannel && CHANNEL_LOST.has(error.code)) await withdrawChannel(parts, transaction, { row, error, now })
    if (error.failure === 'suppress') await suppressPerson(transaction, { userId: row.userId, code: error.code })
    if (error.failure === 'halt') await halt(transaction, row, { error, now })
    if (error.failure === 'no_new') await restFromOpening(transaction, row, { error, now })
  })
}

/** Codes of a channel that its person cannot be written to in any more; what they chose has come to nothing. */
const CHANNEL_LOST = new Set([
  'unknown_channel',
  'unknown_guild',
  'unknown_member',
  'missing_access',
  'missing_permissions',
  'thread_locked',
])

async function withdrawChannel(
  { suppressedPeople }: Attempt['parts'],
  transaction: Queryable,
  { row, error, now }: Said & { readonly row: OutboxRow },
): Promise<void> {
  if (!(await losePlace(transaction, row))) return
  const { hash: personHash } = await suppressedPeople.hash(transaction, row.userId)
  const detail = { place: 'nowhere', code: error.code }
  await recordAct(transaction, { actor: 'bot', act: 'followup_place', personHash, detail, now })
}

interface Said {
  readonly error: DeliveryError
  readonly now: string | null
}

function halt(transaction: Queryable, row: OutboxRow, { error, now }: Said): Promise<void> {
  const { code: reason, retryAfterMs } = error
  const until = retryAfterMs !== undefined && { until: new Date(beganAtMs(row) + retryAfterMs) }
  return setControl(transaction, { name: 'platform', reason, setBy: row.platform, ...until, now })
}

/** Several may have been refused at the same moment: the first one sets how long. */
async function restFromOpening(transaction: Queryable, row: OutboxRow, { error, now }: Said): Promise<void> {
  await lockControls(transaction)
  const restMs = restFromOpeningMs(await lastRest(transaction, 'new_channels', now))
  if (restMs === undefined) return
  const until = new Date(beganAtMs(row) + restMs)
  await setControl(transaction, { name: 'new_channels', reason: error.code, setBy: row.platform, until, now })
}

/** When the last try began, by the database's clock. */
function beganAtMs(row: OutboxRow): number {
  return (row.attemptedAt?.getTime() ?? 0) + (row.attemptedAgoMs ?? 0)
}

/** A text without anything that a filter could take offence at: no topic, no quotation, no name. */
async function writePlain(attempt: Attempt, row: OutboxRow, error: DeliveryError): Promise<AfterTry> {
  const { parts, context } = attempt
  const { database } = parts
  const previous = (await lastFollowUps(database, { userId: row.userId, limit: 2 })).map(each => each.template)
  const [plain] = templateFollowUps({ language: languageOf(row.language), displayName: '', lines: [], previous })
  const text = plain?.text ?? row.message
  await replaceWithPlain(database, row, {
    message: text,
    contentHash: contentHashOf(text),
    nonce: nonceOf(context.jobId, `plain:${row.nonce}`),
    failureCode: error.code,
  })
  const replaced = await findFollowUpOfJob(database, context.jobId, databaseNow(parts.clock))
  if (replaced?.state !== 'prepared') throw new SnoozeError('5s', 'somebody else goes on with it')
  return { next: 'plain', row: replaced }
}
