import { databaseNow } from '../clock.ts'
import { followUpJob } from '../job-catalog.ts'
import {
  endOrphans,
  findInactivePage,
  readFactsOfMany,
  storeConsidered,
  type Cursor,
  type PlannedAdvice,
} from './find-inactive-store.ts'
import { automaticKey, isWanted, planAutomatic, type AutomaticPlan, type PlannerParts } from './plan-follow-up.ts'
import { shareOf } from './variants.ts'

/** How often somebody looks for people who went quiet with nothing planned. */
export const LOOK_INTERVAL_MS = 600_000
/** People per transaction: a statement of the scheduler's bulk call holds a thousand. */
const PAGE = 1_000
const MINUTE_MS = 60_000

/** What a look did. */
export interface InactiveFound {
  readonly considered: number
  readonly planned: number
}

/**
 * Plans follow-ups for people who went quiet and have none planned: those of an adopted database, those who spoke while
 * no scheduler ran, those whose follow-up came too late after an outage. Each is considered once per silence, at most one
 * is planned per person, and the gates are asked as ever. A page of a thousand people is one transaction.
 */
export async function findInactivePeople(parts: PlannerParts, signal?: AbortSignal): Promise<InactiveFound> {
  const found = { considered: 0, planned: 0 }
  await endOrphans(parts.database)
  if (!parts.policy.enabled) return found
  const queue = new Queue(parts.policy.perMinute)
  for (let after: Cursor | undefined, isLast = false; !isLast; ) {
    signal?.throwIfAborted()
    const page = await planPage(parts, after, queue)
    found.considered += page.considered
    found.planned += page.planned
    after = page.next
    isLast = page.next === undefined
  }
  return found
}

/** Gives those who are overdue a place in time, as many a minute as may be sent: what was missed comes without a burst. */
class Queue {
  readonly #eachMs: number
  #length = 0

  constructor(perMinute: number) {
    this.#eachMs = MINUTE_MS / perMinute
  }

  /** Not before its own place, at some moment within it. */
  place(now: Date, seed: string): Date {
    const place = this.#length + shareOf(seed)
    this.#length += 1
    return new Date(now.getTime() + place * this.#eachMs)
  }
}

async function planPage(
  parts: PlannerParts,
  after: Cursor | undefined,
  queue: Queue,
): Promise<InactiveFound & { next: Cursor | undefined }> {
  const { database, policy, clock } = parts
  const now = databaseNow(clock)
  return database.transaction(async transaction => {
    const silentMs = Math.max(0, shortestDelayMs(parts) - LOOK_INTERVAL_MS)
    const request = { silentMs, maxAgeMs: policy.maxAgeMs, after, limit: PAGE, now }
    const { userIds, next } = await findInactivePage(transaction, request)
    if (userIds.length === 0) return { considered: 0, planned: 0, next: undefined }
    const facts = await readFactsOfMany(transaction, userIds, { ...parts, now })
    const plans: AutomaticPlan[] = []
    for (const userId of userIds) {
      const known = facts.get(userId)
      if (!known) continue
      const move = (dueAt: Date) => (dueAt <= known.now ? queue.place(known.now, userId) : dueAt)
      plans.push(planAutomatic(parts, known, { userId, move }))
    }
    const considered = await storePlans(parts, transaction, plans)
    await storeConsidered(transaction, considered, now)
    return { considered: plans.length, planned: considered.filter(each => each.jobId !== undefined).length, next }
  })
}

/** People of a variant with a shorter delay go quiet sooner. */
function shortestDelayMs({ policy, experiment }: PlannerParts): number {
  return Math.min(policy.delayMs, ...(experiment?.variants ?? []).map(each => each.delayMs ?? policy.delayMs))
}

async function storePlans(
  { scheduler }: PlannerParts,
  transaction: Parameters<typeof findInactivePage>[0],
  plans: readonly AutomaticPlan[],
): Promise<PlannedAdvice[]> {
  const wanted = plans.filter(plan => isWanted(plan.advice))
  const jobs = wanted.map(({ userId, payload, dueAt }) => ({
    job: followUpJob,
    payload,
    uniqueKey: automaticKey(userId),
    scheduledTime: dueAt,
  }))
  const scheduled = await scheduler.scheduleJobs(jobs, { transaction })
  const jobIds = new Map(wanted.map(({ userId }, index) => [userId, scheduled[index]]))
  return plans.map(({ userId, advice }) => {
    const job = jobIds.get(userId)
    return { userId, advice, jobId: job && !job.conflict ? job.jobId : undefined }
  })
}
