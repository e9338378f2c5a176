import { createHash } from 'node:crypto'
import type { Clock, Scheduler } from 'belfry'
import type { Database, Queryable } from 'belfry/database'
import { databaseNow } from '../clock.ts'
import { followUpJob, type FollowUpPayload } from '../job-catalog.ts'
import { recordAct } from '../users/audit-store.ts'
import { lockPerson } from '../users/profile-store.ts'
import type { SuppressedPeople } from '../users/suppressed-people-store.ts'
import { storeDecision } from './decision-store.ts'
import { readFacts, type ReadFacts } from './facts-store.ts'
import { isPlanned } from './follow-up-store.ts'
import { evaluateGates, type GateFacts, type GateReport } from './gates.ts'
import { timeFollowUp, type TimingParts } from './plan-timing.ts'

export interface PlannerParts extends TimingParts {
  readonly database: Database
  readonly scheduler: Scheduler
  readonly clock: Clock
  readonly suppressedPeople: SuppressedPeople
}

/** A planned follow-up, and what the gates think of it today. */
export interface PlannedFollowUp {
  readonly jobId: string
  readonly dueAt: Date
  readonly advice: GateReport
}

/** What `scheduleFollowUpMessage` takes: the guide's call. */
export interface FollowUpRequest {
  readonly userId: string
  /** Hours from now. Default: the configured delay. */
  readonly delayHours?: number
  /** Hints for the text, such as `{ last_topic: 'Python programming' }`. */
  readonly messageContext?: Record<string, unknown>
  /** Who asked for it. */
  readonly requestedBy?: string
  /** Cooldown (9) and quiet hours (12) do not put it off; on record with the name of who insists. Default: false. */
  readonly force?: boolean
}

const HOUR_MS = 3_600_000

/** Longest key that the scheduler takes. */
const LONGEST_KEY = 255

/** What makes a person's automatic follow-up the only one that waits. */
export function automaticKey(userId: string): string {
  const key = `automatic:${userId}`
  return key.length <= LONGEST_KEY ? key : `automatic:${createHash('sha256').update(userId).digest('hex')}`
}

/** An automatic follow-up as it would be planned now. */
export interface AutomaticPlan {
  readonly userId: string
  readonly dueAt: Date
  readonly advice: GateReport
  readonly payload: FollowUpPayload
}

/**
 * Plans an automatic follow-up on facts that were read; nothing is stored.
 * @param request.move changes when it is due. Default: it is due when it should be
 */
export function planAutomatic(
  parts: TimingParts,
  facts: ReadFacts,
  request: { userId: string; move?: (dueAt: Date) => Date },
): AutomaticPlan {
  const { userId, move } = request
  const timing = timeFollowUp(parts, facts, userId)
  const dueAt = move?.(timing.dueAt) ?? timing.dueAt
  const plannedAt = facts.now
  const job = { automatic: true, plannedAt, dueAt, seed: automaticKey(userId) }
  // What is paused today may not be when it is due; it is asked again then.
  const advice = foresee({ ...facts, controls: [] }, { policy: timing.policy, job })
  const payload = {
    userId,
    automatic: true,
    plannedAt: plannedAt.toISOString(),
    ...(timing.variant && { variant: timing.variant.name }),
  }
  return { userId, dueAt, advice, payload }
}

/** Whether to plan it. The comparison group is planned for like everybody, up to the moment of sending. */
export function isWanted({ verdict, reason }: GateReport): boolean {
  return verdict !== 'deny' || reason === 'holdout'
}

/**
 * Plans a follow-up for somebody who has just spoken, in the transaction that recorded what they said. One is planned per
 * person at a time: while it waits, further messages cost one look into an index, because the job itself looks when the
 * person last spoke and moves on. Answers undefined when none is wanted or one is planned already.
 */
export async function planAfterMessage(
  parts: PlannerParts,
  transaction: Queryable,
  userId: string,
): Promise<PlannedFollowUp | undefined> {
  const uniqueKey = automaticKey(userId)
  if (await isPlanned(transaction, uniqueKey)) return undefined
  const now = databaseNow(parts.clock)
  const facts = await readFacts(transaction, userId, { ...parts, now })
  const { dueAt, advice, payload } = planAutomatic(parts, facts, { userId })
  if (!isWanted(advice)) return undefined
  const planned = await parts.scheduler.scheduleJob(followUpJob, payload, {
    uniqueKey,
    subjects: [userId],
    scheduledTime: dueAt,
    transaction,
  })
  if (planned.conflict) return undefined
  await storeAdvice(transaction, { userId, jobId: planned.jobId, advice, now })
  return { jobId: planned.jobId, dueAt, advice }
}

/**
 * Schedules a follow-up because somebody asked for it. It goes through the same gates when it is due; the answer says
 * what they think today.
 */
export async function scheduleFollowUpMessage(parts: PlannerParts, request: FollowUpRequest): Promise<PlannedFollowUp> {
  const { policy, scheduler, clock, database } = parts
  const delayMs = request.delayHours === undefined ? policy.delayMs : request.delayHours * HOUR_MS
  const now = databaseNow(clock)
  return database.transaction(async transaction => {
    // Against somebody who is being erased: it is planned before, and goes with them, or after.
    await lockPerson(transaction, request.userId)
    const facts = await readFacts(transaction, request.userId, { ...parts, now })
    const plannedAt = facts.now
    const dueAt = new Date(plannedAt.getTime() + delayMs)
    const { force = false } = request
    const advice = foresee(facts, { policy, job: { automatic: false, plannedAt, dueAt, seed: request.userId, force } })
    const planned = await scheduler.scheduleJob(
      followUpJob,
      {
        userId: request.userId,
        automatic: false,
        plannedAt: plannedAt.toISOString(),
        ...(request.messageContext && { messageContext: request.messageContext }),
        ...(request.requestedBy && { requestedBy: request.requestedBy }),
        ...(force && { force }),
      },
      { subjects: [request.userId], scheduledTime: dueAt, transaction },
    )
    await storeAdvice(transaction, { userId: request.userId, jobId: planned.jobId, advice, now })
    if (force) {
      const { hash: personHash } = await parts.suppressedPeople.hash(transaction, request.userId)
      const actor = request.requestedBy ?? 'program'
      await recordAct(transaction, {
        actor,
        act: 'follow_up_forced',
        personHash,
        detail: { jobId: planned.jobId },
        now,
      })
    }
    return { jobId: planned.jobId, dueAt, advice }
  })
}

/** What the gates will say when it is due, if nothing happens until then. */
function foresee(facts: ReadFacts, plan: Pick<GateFacts, 'policy' | 'job'>): GateReport {
  return evaluateGates({ ...facts, ...plan, now: plan.job.dueAt, sentInLastMinute: 0 })
}

function storeAdvice(
  transaction: Queryable,
  plan: { userId: string; jobId: string; advice: GateReport; now: string | null },
): Promise<void> {
  const { verdict, reason, rule, until, gates } = plan.advice
  const decision = {
    userId: plan.userId,
    jobId: plan.jobId,
    stage: 'plan',
    verdict,
    reason,
    rule,
    until,
    gates,
  } as const
  return storeDecision(transaction, decision, plan.now)
}
