import type { Queryable } from '../database/database.ts'
import type { Wake } from '../job/control-errors.ts'
import { readyAt } from './ready-at.ts'
import type { Tables } from './tables.ts'

/** A claimed job that is put off before it was started. */
export interface PostponedJob {
  readonly jobId: string
  readonly wake: Wake
}

/** Never at once: a check that always says so would be asked without end. */
const WAKE = `greatest(coalesce((row->>1)::timestamptz,
           coalesce($2::text::timestamptz, clock_timestamp()) + (row->>2)::float8 * interval '1 ms'),
         coalesce($2::text::timestamptz, clock_timestamp()) + interval '1 second')`

/** Puts claimed jobs off, as if they had not been claimed: no attempt is spent or recorded. Fenced by the lease token. */
export async function postponeClaimed(
  transaction: Queryable,
  tables: Tables,
  request: { jobs: readonly PostponedJob[]; leaseToken: string; now: string | null },
): Promise<void> {
  const rows = request.jobs.map(({ jobId, wake }) => [
    jobId,
    'at' in wake ? wake.at.toISOString() : null,
    'at' in wake ? null : wake.delayMs,
  ])
  await transaction.query(
    `update ${tables.live} live set status = 'pending', lease_token = null, runner_id = null, attempt = attempt - 1,
       scheduled_time = ${WAKE}, ready_at = ${readyAt(WAKE, 'live.priority')}, last_outcome = 'snoozed'
     from jsonb_array_elements((select $1::text)::jsonb) as row
     where live.job_id = row->>0 and live.lease_token = $3::uuid`,
    [JSON.stringify(rows), request.now, request.leaseToken],
  )
}
