import { RetryAfterError, SnoozeError, type Clock, type JobContext, type Logger } from 'belfry'
import type { Database, Queryable } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import type { FollowUpPayload } from '../job-catalog.ts'
import type { RemotePlatform } from '../messaging/platform.ts'
import { chosenChannel } from '../users/follow-up-place.ts'
import { lockPerson } from '../users/profile-store.ts'
import type { SuppressedPeople } from '../users/suppressed-people-store.ts'
import type { FollowUpComposer } from './compose-follow-up.ts'
import { storeDecision } from './decision-store.ts'
import { readFacts, type ReadFacts } from './facts-store.ts'
import { evaluateGates, type GateReason, type GateReport, type GateResult } from './gates.ts'
import { isJobKept } from './follow-up-store.ts'
import { discardPrepared, endUnsent, type OutboxRow } from './outbox-store.ts'
import { policyFor, type PlaceInTime } from './plan-timing.ts'
import type { FollowUpPolicy } from './policy.ts'
import type { Experiment } from './variants.ts'

export interface SenderParts {
  readonly database: Database
  readonly policy: FollowUpPolicy
  readonly clock: Clock
  readonly composer: FollowUpComposer
  readonly suppressedPeople: SuppressedPeople
  readonly logger: Logger
  /** Platforms that are asked to send. On terminal and web storing the turn is sending it. */
  readonly platforms?: readonly RemotePlatform[]
  /** New follow-ups arrive without a sound, where the platform can. */
  readonly silent: boolean
  readonly experiment?: Experiment
  readonly placeInTime?: PlaceInTime
}

/** How a follow-up job ended; kept as the job's result. */
export type FollowUpResult =
  | { readonly outcome: 'sent'; readonly followUpId: number }
  | { readonly outcome: 'skipped'; readonly reason: WithheldReason }
  /** Surely not sent: the platform refused it. */
  | { readonly outcome: 'failed'; readonly followUpId: number; readonly code: string }
  /** Nobody knows whether it was sent, and nobody can find out. */
  | { readonly outcome: 'uncertain'; readonly followUpId: number }

/** Why a planned follow-up was not sent; kept in `follow_up_history.reason`. */
export type WithheldReason = GateReason | 'unsafe' | 'erased'

/** The person was erased while the job ran: it ends, and nothing is kept of it. */
export const ERASED: FollowUpResult = { outcome: 'skipped', reason: 'erased' }

/** One attempt of a follow-up job. */
export interface Attempt {
  readonly parts: SenderParts
  readonly payload: FollowUpPayload
  readonly context: Pick<
    JobContext,
    'jobId' | 'scheduledTime' | 'signal' | 'log' | 'spend' | 'retryCount' | 'maxRetries'
  >
}

/** What the gates say of a follow-up now. */
export type Decision = { readonly facts: ReadFacts } & (
  | { readonly verdict: 'allow' }
  | { readonly verdict: 'deny'; readonly reason: GateReason }
  | { readonly verdict: 'defer'; readonly reason: GateReason; readonly until: Date }
)

/**
 * Does something about the person under their lock, unless they were erased while the job ran: its row is gone then, and
 * nothing about them may be written any more.
 */
export function aboutPerson<T>(
  { parts, payload, context }: Attempt,
  work: (transaction: Queryable) => Promise<T>,
): Promise<T | 'erased'> {
  return parts.database.transaction(async transaction => {
    await lockPerson(transaction, payload.userId)
    return (await isJobKept(transaction, context.jobId)) ? work(transaction) : 'erased'
  })
}

/**
 * Asks the gates, and keeps their answer.
 * @param about `prepare`: no text is frozen yet; else the row that is about to be sent
 */
export async function decide(attempt: Attempt, queryable: Queryable, about: 'prepare' | OutboxRow): Promise<Decision> {
  const { parts, payload, context } = attempt
  const stage = about === 'prepare' ? about : 'send'
  const now = databaseNow(parts.clock)
  const facts = await readFacts(queryable, payload.userId, { ...parts, now, jobId: context.jobId })
  const job = {
    automatic: payload.automatic,
    plannedAt: new Date(payload.plannedAt),
    dueAt: context.scheduledTime,
    seed: context.jobId,
    force: payload.force ?? false,
  }
  const policy = policyFor(parts, payload.variant)
  const report = whenWouldBeSent(evaluateGates({ ...facts, policy, job }))
  const isElsewhere = about !== 'prepare' && !isWhereTheyWantIt(about, facts)
  const { verdict, reason, rule, until, gates } = isElsewhere ? elsewhere(report) : report
  await storeDecision(
    queryable,
    { userId: payload.userId, jobId: context.jobId, stage, verdict, reason, rule, until, gates },
    now,
  )
  context.log(`${stage}: ${verdict}${reason ? ` (${reason})` : ''}`)
  if (verdict === 'allow') return { facts, verdict }
  if (verdict === 'defer' && until) return { facts, verdict, reason: reason ?? 'gate_error', until }
  return { facts, verdict: 'deny', reason: reason ?? 'gate_error' }
}

/** A frozen text goes where it was frozen for, or nowhere: its person may have taken that place back since. */
function isWhereTheyWantIt({ inChannel, conversationId }: OutboxRow, { profile }: ReadFacts): boolean {
  return (profile && chosenChannel(profile)) === (inChannel ? conversationId : undefined)
}

function elsewhere({ gates }: GateReport): GateReport {
  const refused = { rule: 2, gate: 'where they want it', outcome: 'deny', reason: 'place_changed' } as const
  return {
    verdict: 'deny',
    reason: refused.reason,
    rule: refused.rule,
    gates: [...gates, refused satisfies GateResult],
  }
}

/**
 * The comparison group is compared by what it would have been sent: as long as anything puts that off, it is put off for
 * them too.
 */
function whenWouldBeSent(report: GateReport): GateReport {
  if (report.reason !== 'holdout') return report
  const [last] = report.gates
    .filter(gate => gate.outcome === 'defer')
    .toSorted((a, b) => (b.until?.getTime() ?? 0) - (a.until?.getTime() ?? 0))
  if (!last?.reason || !last.until) return report
  return { verdict: 'defer', reason: last.reason, rule: last.rule, until: last.until, gates: report.gates }
}

/** How long all follow-ups wait when one was told that there are too many: the others would be told the same. */
const PACING_REST_MS = 5_000

/**
 * Ends or puts off a follow-up that has surely not gone out.
 * @throws SnoozeError when the gates say later
 */
export async function withhold(attempt: Attempt, decision: Exclude<Decision, { verdict: 'allow' }>) {
  const { parts, payload, context } = attempt
  const { reason } = decision
  if (decision.verdict === 'deny') return endWithheld(attempt, reason)
  // Too many for this minute holds for everybody; too many new people leaves the others alone.
  const isAboutAll = reason === 'pacing' && !decision.facts.newChannel?.needed
  if (isAboutAll) throw new RetryAfterError(PACING_REST_MS, reason, { rests: 'type' })
  if (reason !== 'recently_active') throw new SnoozeError(decision.until, reason)
  await discardPrepared(parts.database, context.jobId)
  const placed = parts.placeInTime?.(decision.facts, decision.until) ?? decision.until
  context.log(`${payload.userId} has spoken since it was planned`)
  throw new SnoozeError(placed, reason)
}

/** Notes that a planned follow-up will not be sent, and why. */
export async function endWithheld(attempt: Attempt, reason: WithheldReason): Promise<FollowUpResult> {
  const { parts, payload, context } = attempt
  const state = reason === 'holdout' ? 'held_out' : 'withheld'
  const { userId, automatic, variant } = payload
  const ending = {
    jobId: context.jobId,
    userId,
    state,
    reason,
    automatic,
    variant,
    now: databaseNow(parts.clock),
  } as const
  await aboutPerson(attempt, transaction => endUnsent(transaction, ending))
  return { outcome: 'skipped', reason }
}

/** What a follow-up that has ended says of its job. */
export function resultOf(row: OutboxRow): FollowUpResult {
  if (row.state === 'sent') return { outcome: 'sent', followUpId: row.id }
  if (row.state === 'failed') return { outcome: 'failed', followUpId: row.id, code: row.failureCode ?? 'unknown' }
  if (row.state === 'uncertain') return { outcome: 'uncertain', followUpId: row.id }
  return { outcome: 'skipped', reason: (row.reason ?? 'gate_error') as WithheldReason }
}
