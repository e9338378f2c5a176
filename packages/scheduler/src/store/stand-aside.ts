import type { Queryable } from '../database/database.ts'
import { OF_SUBJECT } from './pauses.ts'
import { putOffUntil } from './ready-at.ts'
import type { Tables } from './tables.ts'

/** Whoever resumes the subject brings its jobs forward; this is when one is looked at that nobody did that for. */
const LOOKED_AT_AGAIN = '1 hour'
/** The pause is being ended at this moment. */
const SOON_AGAIN = '1 second'

/**
 * Puts claimed jobs of paused subjects aside, as if they had not been claimed: no attempt is spent or recorded. Fenced by
 * the lease token.
 *
 * The pauses stay locked until this is committed, so that whoever ends one finds every job that stands aside for it. One
 * that is just being ended is not waited for: who ends it may be waiting for these jobs.
 */
export async function standAside(
  database: Queryable,
  { live, pauses }: Tables,
  request: {
    readonly jobIds: readonly string[]
    /** Those that held a slot of their key before: retries in strict order. */
    readonly keepSlot: readonly string[]
    readonly leaseToken: string
    readonly now: string | null
  },
): Promise<void> {
  const after = (span: string) => putOffUntil(`coalesce($4::text::timestamptz, clock_timestamp()) + interval '${span}'`)
  await database.query(
    `with asides as materialized (
       select job_id, subjects from ${live} where job_id = any($1::text[]) and lease_token = $3::uuid
     ), standing as materialized (
       select lane from ${pauses} where job_type = '${OF_SUBJECT}' and lane in (select unnest(subjects) from asides)
       for key share skip locked
     )
     update ${live} live set status = 'pending', lease_token = null, runner_id = null, attempt = live.attempt - 1,
       admitted = case when live.job_id = any($2::text[]) then live.admitted end,
       ready_at = case when exists (select from standing where lane = any (live.subjects)) then ${after(LOOKED_AT_AGAIN)}
         else ${after(SOON_AGAIN)} end
     from asides where live.job_id = asides.job_id and live.lease_token = $3::uuid`,
    [request.jobIds, request.keepSlot, request.leaseToken, request.now],
  )
}
