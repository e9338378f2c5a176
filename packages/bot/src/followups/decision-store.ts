import type { Queryable } from 'belfry/database'

/** One answer of the gates, as it is kept: so that "why did nobody write to X?" always has an answer. */
export interface StoredDecision {
  readonly userId: string
  readonly jobId: string | undefined
  readonly stage: 'plan' | 'prepare' | 'send'
  readonly verdict: 'allow' | 'deny' | 'defer'
  readonly reason: string | undefined
  readonly rule: number | undefined
  readonly until: Date | undefined
  /** Every gate's own answer. */
  readonly gates: readonly unknown[]
}

export async function storeDecision(database: Queryable, decision: StoredDecision, now: string | null): Promise<void> {
  await database.query(
    `insert into follow_up_decisions (user_id, job_id, stage, verdict, reason, rule, until, gates, decided_at)
     values ($1::text, $2::text, $3::text, $4::text, $5::text, $6::int, $7::text::timestamptz, $8::text::jsonb,
       coalesce($9::text::timestamptz, now()))`,
    [
      decision.userId,
      decision.jobId ?? null,
      decision.stage,
      decision.verdict,
      decision.reason ?? null,
      decision.rule ?? null,
      decision.until?.toISOString() ?? null,
      JSON.stringify(decision.gates),
      now,
    ],
  )
}

/** The last decisions about a job, newest first. */
export async function decisionsOfJob(
  database: Queryable,
  request: { jobId: string; limit: number },
): Promise<(Pick<StoredDecision, 'stage' | 'verdict' | 'reason' | 'until' | 'gates'> & { decidedAt: Date })[]> {
  const found = await database.query<{
    stage: StoredDecision['stage']
    verdict: StoredDecision['verdict']
    reason: string | null
    gates: { until?: string }[]
    until_ms: number | null
    decided_ms: number
  }>(
    `select stage, verdict, reason, gates, (extract(epoch from until) * 1000)::float8 as until_ms,
       (extract(epoch from decided_at) * 1000)::float8 as decided_ms
     from follow_up_decisions where job_id = $1::text order by decision_id desc limit $2::int`,
    [request.jobId, request.limit],
  )
  return found.rows.map(row => ({
    stage: row.stage,
    verdict: row.verdict,
    reason: row.reason ?? undefined,
    gates: row.gates.map(gate => ({ ...gate, ...(gate.until && { until: new Date(gate.until) }) })),
    until: row.until_ms === null ? undefined : new Date(row.until_ms),
    decidedAt: new Date(row.decided_ms),
  }))
}
