import { BelfryError, show } from '../errors.ts'
import type { AnyJobDefinition } from '../job/definition.ts'
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
export function uncheckedJob({ job, payload, ...options }: BulkJob): UncheckedJob {
  return { job, payload: payload ?? {}, options }
}

/** @throws BelfryError `BELFRY_INVALID_JOB_TYPE` */
export function requestOf(registry: JobRegistry, { job, payload, options }: UncheckedJob): JobRequest {
  const definition = typeof job === 'string' ? registry.findOrDefault(requireJobType(job)) : job
  return { definition, payload, options }
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
