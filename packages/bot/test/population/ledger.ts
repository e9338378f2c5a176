import type { Queryable } from 'belfry/database'
import type { Committed } from './line.ts'
import type { Oracle } from './oracle.ts'

interface Ending {
  readonly status: string
  /** `sent`, or why not. */
  readonly how: string
  readonly followUpId: number | undefined
}

interface LiveRow {
  job_id: string
  user_id: string
  status: string
  due_ms: number
}

interface FinishedRow {
  job_id: string
  user_id: string
  status: string
  outcome: string | null
  reason: string | null
  follow_up_id: number | null
  ended_ms: number
}

/** Keeps account of every planned follow-up until it has ended; rows of finished jobs are pruned after a week. */
export class Ledger {
  readonly #database: Queryable
  /** Whose each planned one is. */
  readonly #planned = new Map<string, string>()
  readonly #ended = new Map<string, Ending>()
  readonly #erased = new Set<string>()
  #readUntilMs = 0

  constructor(database: Queryable) {
    this.#database = database
  }

  /** Notices what is planned, in the transaction that plans it. */
  see({ text, values }: Committed): void {
    if (!text.includes('insert into follow_up_decisions') || !values.includes('plan')) return
    const [userId, jobId] = values
    if (typeof jobId === 'string') this.#planned.set(jobId, String(userId))
  }

  /** Somebody's data is gone, and what was planned for them with it. */
  erased(userId: string): void {
    this.#erased.add(userId)
  }

  /** Reads what is planned and what has ended since the last time; answers what still waits. */
  async collect(): Promise<ReadonlyMap<string, LiveRow>> {
    const live = await this.#database.query<LiveRow>(
      `select job_id, payload->>'userId' as user_id, status,
         (extract(epoch from coalesce(ready_at, scheduled_time)) * 1000)::float8 as due_ms
       from scheduled_jobs_live where job_type = 'follow_up_message'`,
    )
    const finished = await this.#database.query<FinishedRow>(
      `select job_id, payload->>'userId' as user_id, status, result->>'outcome' as outcome,
         coalesce(result->>'reason', result->>'code', error_message) as reason,
         (result->>'followUpId')::float8 as follow_up_id, (extract(epoch from completed_at) * 1000)::float8 as ended_ms
       from scheduled_jobs_finished
       where job_type = 'follow_up_message' and completed_at >= to_timestamp($1::float8 / 1000)`,
      [this.#readUntilMs],
    )
    for (const row of [...live.rows, ...finished.rows]) this.#planned.set(row.job_id, row.user_id)
    for (const row of finished.rows) {
      this.#readUntilMs = Math.max(this.#readUntilMs, row.ended_ms)
      this.#ended.set(row.job_id, endingOf(row))
    }
    return new Map(live.rows.map(row => [row.job_id, row]))
  }

  /** At the end of all days: every planned one has come to an end, or waits for a time to come. Answers the counts. */
  async close(oracle: Oracle, end: number): Promise<Record<string, number>> {
    const waiting = await this.collect()
    const counts: Record<string, number> = {}
    const blame = (userId: string, detail: string) =>
      oracle.blame({ invariant: 'every planned one ends', userId, at: end, detail })
    for (const [jobId, userId] of this.#planned) {
      const ended = this.#ended.get(jobId)
      const live = waiting.get(jobId)
      const isSent = ended?.how === 'sent'
      if (isSent && !oracle.receivedKeys.has(`job ${jobId}`) && !oracle.receivedKeys.has(`row ${ended.followUpId}`)) {
        blame(userId, `job ${jobId} is said to be sent, and nothing came`)
      }
      if (!ended && live && (live.due_ms <= end || live.status !== 'pending')) {
        blame(userId, `job ${jobId} is still ${live.status}, and was due ${new Date(live.due_ms).toISOString()}`)
      }
      if (!ended && !live && !this.#erased.has(userId)) blame(userId, `job ${jobId} is gone without an end`)
      const how = ended ? `${ended.status}: ${ended.how}` : live ? 'waiting' : 'erased with the person'
      counts[how] = (counts[how] ?? 0) + 1
    }
    return counts
  }

  get planned(): number {
    return this.#planned.size
  }
}

function endingOf(row: FinishedRow): Ending {
  const followUpId = row.follow_up_id ?? undefined
  if (row.outcome === 'sent') return { status: 'sent', how: 'sent', followUpId }
  // What platforms and processes say in their own words is cut off: it is the kind of end that counts.
  const [how = ''] = (row.reason ?? 'without a reason').split(/:| \d/)
  return { status: row.outcome ?? row.status, how, followUpId }
}
