import { databaseNow, type Core } from '../core.ts'
import type { Job } from '../job/job.ts'
import { requireOptions } from '../job/known-names.ts'
import { jobOfRow } from '../store/job-row.ts'
import { listJobs, type PageEnd } from '../store/list-jobs.ts'
import { checkFilter, type JobFilter } from './job-filter.ts'
import { cursorOf, partsOf, requireLimit, type PageOptions } from './page.ts'

/** A job in a list: everything but what it carries. `getJob` answers that too. */
export interface JobSummary extends Omit<Job, 'payload' | 'result' | 'progress'> {
  /** The last attempt's error code, if the job is finished. */
  readonly errorCode: string | null
}

/** One page of a list of jobs. */
export interface JobPage {
  readonly jobs: readonly JobSummary[]
  /** Where the next page begins; null on the last one. */
  readonly next: string | null
}

const MICROSECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/
const ID = /^\P{Cc}{1,255}$/u

/**
 * Jobs that fit, newest first. Paging is stable while jobs move on: a job's place is its creation time, which never
 * changes, so none comes twice and none that was there is missed.
 * @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_TIME`, `BELFRY_INVALID_JOB_ID`, `BELFRY_INVALID_JOB_TYPE`
 */
export async function readJobPage(core: Core, filter: JobFilter, options: PageOptions): Promise<JobPage> {
  const limit = requireLimit(requireOptions(options, 'page').limit)
  const rows = await listJobs(core.database, core.tables, {
    conditions: checkFilter(filter),
    after: options.after === undefined ? null : pageEndOf(options.after),
    limit: limit + 1,
    now: databaseNow(core),
  })
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return {
    jobs: shown.map(row => ({ ...jobOfRow(row), errorCode: row.error_code })),
    next: rows.length > limit && last ? cursorOf([last.created_text, last.job_id]) : null,
  }
}

function pageEndOf(cursor: string): PageEnd {
  const [createdAt = '', jobId = ''] = partsOf(cursor, [MICROSECONDS, ID])
  return { createdAt, jobId }
}
