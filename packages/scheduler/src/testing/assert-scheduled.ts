import { isDeepStrictEqual } from 'node:util'
import { BelfryError } from '../errors.ts'
import type { Job } from '../job/job.ts'
import type { Scheduler } from '../scheduler.ts'

/** What a test expects to have been scheduled. What is left out may be anything. */
export interface ExpectedJob {
  readonly jobType: string
  /** The payload that is meant, or a function that says whether it is. Default: any. */
  readonly payload?: ((payload: unknown) => boolean) | object | string | number | boolean | null
  readonly uniqueKey?: string
  readonly subject?: string
  /** How many such jobs there are to be. Default: one or more. */
  readonly times?: number
}

/** Most unfinished jobs that are looked at: a test that has more wants its own query. */
const MOST_JOBS = 1_000

/**
 * Answers the unfinished jobs that fit, the newest first; for tests.
 * @throws BelfryError `BELFRY_NOT_SCHEDULED` naming what was expected and what is there instead
 */
export async function assertScheduled(scheduler: Scheduler, expected: ExpectedJob): Promise<Job[]> {
  const { jobType, payload, uniqueKey, subject, times } = expected
  const fits = (stored: unknown) => {
    if (typeof payload === 'function') return (payload as (stored: unknown) => boolean)(stored)
    return payload === undefined || isDeepStrictEqual(stored, JSON.parse(JSON.stringify(payload)))
  }
  const filter = { jobType, ...(subject !== undefined && { subject }), ...(uniqueKey !== undefined && { uniqueKey }) }
  const { jobs } = await scheduler.admin.listJobs(filter, { limit: MOST_JOBS })
  const unfinished = jobs.filter(job => job.status === 'pending' || job.status === 'running')
  const found = (await Promise.all(unfinished.map(job => scheduler.getJob(job)))).filter(job => job !== undefined)
  const fitting = found.filter(job => fits(job.payload))
  if (times === undefined ? fitting.length > 0 : fitting.length === times) return fitting
  const wanted = times === undefined ? 'a job' : `${times} jobs`
  const instead = found.map(job => JSON.stringify(job.payload)).slice(0, 5)
  throw new BelfryError(
    'BELFRY_NOT_SCHEDULED',
    `expected ${wanted} of type ${JSON.stringify(jobType)}${uniqueKey === undefined ? '' : ` with key ${uniqueKey}`}, ` +
      `got ${fitting.length}; unfinished jobs of the type: ${found.length}${instead.length > 0 ? ` (${instead.join(', ')})` : ''}`,
  )
}
