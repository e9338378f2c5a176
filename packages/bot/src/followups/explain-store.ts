import type { Queryable } from 'belfry/database'
import type { FollowUpPayload } from '../job-catalog.ts'
import type { StoredDecision } from './decision-store.ts'

/** A person's follow-up job that comes next. */
export interface NextFollowUp {
  readonly jobId: string
  readonly payload: FollowUpPayload
  readonly scheduledTime: Date
}

/** The follow-up job of a person that is due first, as it is stored. */
export async function nextFollowUp(
  database: Queryable,
  userId: string,
): Promise<(Omit<NextFollowUp, 'payload'> & { payload: unknown }) | undefined> {
  const found = await database.query<{ job_id: string; payload: unknown; scheduled_ms: number }>(
    `select job_id, payload, (extract(epoch from scheduled_time) * 1000)::float8 as scheduled_ms from scheduled_jobs
     where status in ('pending', 'running') and job_type = 'follow_up_message'
       and coalesce(payload->>'userId', payload->>'user_id') = $1::text
     order by scheduled_time limit 1`,
    [userId],
  )
  const row = found.rows[0]
  return row && { jobId: row.job_id, payload: row.payload, scheduledTime: new Date(row.scheduled_ms) }
}

/** One stored answer of the gates about a person, without the single gates. */
export type PastDecision = Pick<StoredDecision, 'stage' | 'verdict' | 'reason' | 'until' | 'jobId'> & {
  readonly decidedAt: Date
}

/** The last decisions about a person, newest first. */
export async function decisionsOfPerson(
  database: Queryable,
  request: { userId: string; limit: number },
): Promise<PastDecision[]> {
  const found = await database.query<{
    job_id: string | null
    stage: StoredDecision['stage']
    verdict: StoredDecision['verdict']
    reason: string | null
    until_ms: number | null
    decided_ms: number
  }>(
    `select job_id, stage, verdict, reason, (extract(epoch from until) * 1000)::float8 as until_ms,
       (extract(epoch from decided_at) * 1000)::float8 as decided_ms
     from follow_up_decisions where user_id = $1::text order by decision_id desc limit $2::int`,
    [request.userId, request.limit],
  )
  return found.rows.map(row => ({
    jobId: row.job_id ?? undefined,
    stage: row.stage,
    verdict: row.verdict,
    reason: row.reason ?? undefined,
    until: row.until_ms === null ? undefined : new Date(row.until_ms),
    decidedAt: new Date(row.decided_ms),
  }))
}
