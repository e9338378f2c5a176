import { BelfryError, show } from '../errors.ts'
import { isDefinition, type AnyJobDefinition } from '../job/definition.ts'
import { requireJobType } from '../job/job-type.ts'
import type { JobRegistry } from '../job/registry.ts'
import type { JobRequest } from './check-job.ts'
import type { BulkJob, ScheduleOptions } from './schedule-options.ts'

/** One job as a caller names it: by its definition, or by its type. */
export interface UncheckedJob {
  readonly job: string | AnyJobDefinition
  readonly payload: unknown
  readonly options: ScheduleOptions
}

/** One job of a call for many. */
export function uncheckedJob(given: BulkJob): UncheckedJob {
  if (typeof given !== 'object' || given === null) throw notAJob(given)
  const { job, payload, ...options } = given
  if (options.transaction !== undefined) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      'transaction: expected it beside the jobs, as an option of the call, got it in one of them',
    )
  }
  return { job, payload: payload ?? {}, options }
}

/** @throws BelfryError `BELFRY_INVALID_JOB_TYPE`, `BELFRY_INVALID_OPTION` */
export function requestOf(registry: JobRegistry, { job, payload, options }: UncheckedJob): JobRequest {
  const definition = typeof job === 'string' ? registry.findOrDefault(requireJobType(job)) : job
  if (!isDefinition(definition)) throw notAJob(definition)
  return { definition, payload, options }
}

function notAJob(got: unknown): BelfryError {
  return new BelfryError(
    'BELFRY_INVALID_OPTION',
    `job: expected the name of a job type, or what defineJob or defineBatchJob answered, got ${show(got)}`,
  )
}

/** The guide's way, by the type's name with everything in the options. */
export function namedRequest(job: string, given: unknown): { job: string; payload: unknown; options: ScheduleOptions } {
  if (typeof given !== 'object' || given === null) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `scheduleJob(type, options): expected { payload, … }, got ${show(given)}`,
    )
  }
  const { payload = {}, ...options } = given as ScheduleOptions & { payload?: unknown }
  return { job, payload, options }
}
