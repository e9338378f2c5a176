import { BelfryError, show } from '../errors.ts'
import { requireKey } from './job-id.ts'
import { requireJobType } from './job-type.ts'

/** A job by its id, or by the answer of the call that scheduled it. */
export type JobReference = string | { readonly jobId: string }

/** The unfinished job of a type that holds a unique key. */
export type KeyReference<Definition extends { readonly type: string } = { readonly type: string }> =
  | { readonly jobType: string; readonly job?: never; readonly uniqueKey: string; readonly jobId?: never }
  | {
      readonly job: Definition
      readonly jobType?: never
      readonly uniqueKey: string
      readonly jobId?: never
    }

/** Checked, for the store. */
export type FoundBy =
  | { readonly jobId: string; readonly jobType?: never; readonly uniqueKey?: never }
  | { readonly jobId?: never; readonly jobType: string; readonly uniqueKey: string }

/** @throws BelfryError `BELFRY_INVALID_JOB_ID`, `BELFRY_INVALID_JOB_TYPE`, `BELFRY_INVALID_OPTION` */
export function referenceOf(reference: JobReference | KeyReference): FoundBy {
  if (typeof reference === 'string') return { jobId: requireKey(reference, 'job id') }
  const { jobId, jobType, job, uniqueKey } = (reference ?? {}) as Partial<Record<string, unknown>> & {
    job?: { readonly type: string }
  }
  // A listing's answer has an id beside its key: the id names one job for ever.
  if (jobId !== undefined || uniqueKey === undefined) return { jobId: requireKey(jobId, 'job id') }
  if ((jobType === undefined) === (job === undefined)) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `a job by its unique key: expected { jobType, uniqueKey } or { job, uniqueKey }, got ${show(jobType)} and ${show(job)}`,
    )
  }
  return { jobType: requireJobType(jobType ?? job?.type), uniqueKey: requireKey(uniqueKey, 'uniqueKey') }
}

/** The id of a job that is named by nothing else. */
export function idOf(reference: JobReference): string {
  return requireKey(typeof reference === 'string' ? reference : reference?.jobId, 'job id')
}
