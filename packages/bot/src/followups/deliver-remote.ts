import { NonRetryableError, SnoozeError } from 'belfry'
import { databaseNow } from '../clock.ts'
import { DeliveryError, type Delivery, type RemotePlatform } from '../messaging/platform.ts'
import { settleFailure } from './deliver-failure.ts'
import { CLOCK_SKEW_MS, IN_FLIGHT_MS, lookAgainInMs, nextStep, SEND_WITHIN_MS } from './delivery-decision.ts'
import { storeSent } from './deliver-sent.ts'
import { beginTry, moveFollowUp, type OutboxRow } from './outbox-store.ts'
import {
  aboutPerson,
  decide,
  ERASED,
  resultOf,
  withhold,
  type Attempt,
  type Decision,
  type FollowUpResult,
} from './send-attempt.ts'

/** A delivery through a platform that is asked over a network. */
export interface RemoteDelivery {
  readonly attempt: Attempt
  readonly platform: RemotePlatform
}

/**
 * Delivers through a platform that is asked over a network, once. What nobody can know (did it go out before the process
 * died?) is found out: by the platform, which recognises the nonce for a while, and after that by looking into the
 * conversation. What cannot be found out is not sent again.
 * @throws SnoozeError to go on later, NonRetryableError when the platform refuses the message for good
 */
export async function deliverRemote(delivery: RemoteDelivery, row: OutboxRow): Promise<FollowUpResult> {
  const { nonceWindowMs } = delivery.platform
  const next = nextStep({ state: row.state, attemptedAgoMs: row.attemptedAgoMs, nonceWindowMs })
  switch (next.step) {
    case 'done':
      return resultOf(row)
    case 'wait':
      throw new SnoozeError(next.waitMs, 'a try may still be under way')
    case 'look':
      return look(delivery, row)
    case 'again':
      return tryOnce(delivery, row, true)
    case 'send':
      return tryOnce(delivery, row, false)
  }
}

/** Looks into the conversation: only what is surely absent is sent again. */
async function look(delivery: RemoteDelivery, row: OutboxRow): Promise<FollowUpResult> {
  const { attempt, platform } = delivery
  const { parts } = attempt
  const found = await findSent(delivery, row)
  attempt.context.log(`looked for it on ${platform.name}: ${typeof found === 'string' ? found : 'found'}`)
  if (found === 'absent') return tryOnce(delivery, row, false)
  if (found !== 'unreadable') return storeSent(parts, row, { ...found, at: row.attemptedAt })
  await moveFollowUp(parts.database, row, { state: 'uncertain' })
  const waitMs = lookAgainInMs({ ageMs: row.attemptedAgoMs ?? 0, longestMs: parts.policy.maxLateMs })
  if (waitMs === undefined) return { outcome: 'uncertain', followUpId: row.id }
  throw new SnoozeError(waitMs, 'the conversation cannot be read; nothing is sent on a guess')
}

async function findSent({ attempt, platform }: RemoteDelivery, row: OutboxRow) {
  const { userId, conversationId, privateConversationId, inChannel, nonce, message: text } = row
  const since = new Date((row.attemptedAt?.getTime() ?? 0) - CLOCK_SKEW_MS)
  const limit = deadline(attempt)
  try {
    const query = { userId, conversationId, privateConversationId, inChannel, nonce, text, since }
    return await platform.findSent(query, limit.signal)
  } catch (error) {
    attempt.context.log(`looking failed: ${error instanceof Error ? error.message : String(error)}`)
    return 'unreadable'
  } finally {
    limit.end()
  }
}

/**
 * Makes one try.
 * @param doubtful an earlier try may have gone out; the platform recognises its nonce
 */
async function tryOnce(delivery: RemoteDelivery, row: OutboxRow, doubtful: boolean): Promise<FollowUpResult> {
  const { attempt, platform } = delivery
  const begun = await begin(delivery, row, doubtful)
  if (begun === 'moved on') throw new SnoozeError('5s', 'somebody else goes on with it')
  if (begun === 'erased') return ERASED
  if ('verdict' in begun) {
    if (!doubtful) return withhold(attempt, begun)
    const waitMs = platform.nonceWindowMs + IN_FLIGHT_MS - (row.attemptedAgoMs ?? 0)
    throw new SnoozeError(Math.max(waitMs, 0), `${begun.reason}; whether it went out is looked up first`)
  }
  attempt.context.spend(1)
  const answer = await send(delivery, begun)
  if (!(answer instanceof DeliveryError)) return storeSent(attempt.parts, begun, { ...answer, at: undefined })
  const settled = await settleFailure(attempt, begun, { error: answer, doubtful })
  if (settled.next === 'plain') return tryOnce(delivery, settled.row, false)
  if (settled.result.outcome === 'failed' && answer.failure !== 'suppress') {
    throw new NonRetryableError(`${answer.code}: ${answer.message}`)
  }
  return settled.result
}

/**
 * Asks the gates under the person's lock and counts the try, in one transaction: two runners never both find the cap not
 * reached. While they are asked its own row is set aside, or it would stand in its own way.
 */
async function begin(
  { attempt }: RemoteDelivery,
  row: OutboxRow,
  doubtful: boolean,
): Promise<OutboxRow | Exclude<Decision, { verdict: 'allow' }> | 'moved on' | 'erased'> {
  const { parts, context } = attempt
  const now = databaseNow(parts.clock)
  return aboutPerson(attempt, async transaction => {
    if (!(await moveFollowUp(transaction, row, { state: 'prepared' }))) return 'moved on'
    const aside = { ...row, state: 'prepared' } as const
    const decision = await decide(attempt, transaction, row)
    context.signal.throwIfAborted()
    if (decision.verdict === 'allow') {
      const opens = decision.facts.newChannel?.needed ?? false
      return (await beginTry(transaction, aside, { isFirst: !doubtful, opens, now })) ?? 'moved on'
    }
    if (doubtful) await moveFollowUp(transaction, aside, { state: 'uncertain' })
    return decision
  })
}

/** Whatever goes wrong without the platform saying what it means leaves a doubt. */
async function send({ attempt, platform }: RemoteDelivery, row: OutboxRow): Promise<Delivery | DeliveryError> {
  const limit = deadline(attempt)
  try {
    return await platform.send(
      {
        userId: row.userId,
        conversationId: row.conversationId,
        privateConversationId: row.privateConversationId,
        inChannel: row.inChannel,
        silent: row.silent,
        text: row.message,
        nonce: row.nonce,
        followUpId: row.id,
        actions: ['stop', 'later', 'why'],
        ...(row.language && { language: row.language }),
      },
      limit.signal,
    )
  } catch (error) {
    if (error instanceof DeliveryError) return error
    const text = error instanceof Error ? error.message : String(error)
    return new DeliveryError('uncertain', 'no_answer', text, { cause: error })
  } finally {
    limit.end()
  }
}

/**
 * Aborts when a try has taken too long, or this process has to let go of the job. A cancelled job does not abort it: a
 * message half sent is anybody's guess, and its answer is worth having.
 */
function deadline({ parts, context }: Attempt): { signal: AbortSignal; end: () => void } {
  const limit = new AbortController()
  const timer = parts.clock.setTimer(SEND_WITHIN_MS, () => limit.abort(new Error('no answer in time')))
  const onAbort = () => {
    const reason: unknown = context.signal.reason
    const isCancelled = reason instanceof Error && 'code' in reason && reason.code === 'BELFRY_JOB_CANCELLED'
    if (!isCancelled) limit.abort(reason)
  }
  if (context.signal.aborted) onAbort()
  context.signal.addEventListener('abort', onAbort)
  return {
    signal: limit.signal,
    end: () => {
      timer.cancel()
      context.signal.removeEventListener('abort', onAbort)
    },
  }
}
