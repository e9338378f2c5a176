import type { Core } from '../core.ts'
import { requireJobType } from '../job/job-type.ts'
import { requireOptions } from '../job/known-names.ts'
import { groupDeadLetters } from '../store/dead-letters.ts'
import { requireLimit } from './page.ts'

/** Failed jobs of one type that failed the same way. */
export interface DeadLetterGroup {
  /** Names the group in a filter: `redriveJobs({ fingerprint })`. */
  readonly fingerprint: string
  readonly jobType: string
  readonly errorCode: string | null
  /** Without what differs from job to job: quoted text, ids and numbers. */
  readonly message: string
  readonly count: number
  readonly firstSeen: Date
  readonly lastSeen: Date
  /** The job that failed last. */
  readonly sampleId: string
}

/** Failed jobs by type and error, the most frequent first. */
export async function readDeadLetters(
  core: Core,
  query: { jobType?: string; limit?: number },
): Promise<DeadLetterGroup[]> {
  const rows = await groupDeadLetters(core.database, core.tables, {
    jobType: requireOptions(query, 'query').jobType === undefined ? null : requireJobType(query.jobType),
    limit: requireLimit(query.limit),
  })
  return rows.map(row => ({
    fingerprint: row.fingerprint,
    jobType: row.job_type,
    errorCode: row.error_code,
    message: row.message,
    count: row.count,
    firstSeen: new Date(row.first_ms),
    lastSeen: new Date(row.last_ms),
    sampleId: row.sample_id,
  }))
}
