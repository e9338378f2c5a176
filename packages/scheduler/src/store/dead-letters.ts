import type { Queryable } from '../database/database.ts'
import { errorFingerprint, normalisedMessage } from './error-group.ts'
import type { Tables } from './tables.ts'

export interface DeadLetterRow {
  readonly fingerprint: string
  readonly job_type: string
  readonly error_code: string | null
  readonly message: string
  readonly count: number
  readonly first_ms: number
  readonly last_ms: number
  readonly sample_id: string
}

/** Failed jobs by type and error, the most frequent first. */
export async function groupDeadLetters(
  database: Queryable,
  tables: Tables,
  request: { jobType: string | null; limit: number },
): Promise<DeadLetterRow[]> {
  const found = await database.query<DeadLetterRow>(
    `select ${errorFingerprint()} as fingerprint, job_type, error_code, ${normalisedMessage()} as message,
       count(*)::float8 as count, (extract(epoch from min(completed_at)) * 1000)::float8 as first_ms,
       (extract(epoch from max(completed_at)) * 1000)::float8 as last_ms,
       (array_agg(job_id::text order by completed_at desc))[1] as sample_id
     from ${tables.finished} where status = 'failed' and ($1::text is null or job_type = $1::text)
     group by 1, 2, 3, 4 order by count(*) desc, max(completed_at) desc limit $2::int`,
    [request.jobType, request.limit],
  )
  return found.rows
}
