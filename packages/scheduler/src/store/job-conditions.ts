import type { JobStatus } from '../job/job.ts'
import { errorFingerprint } from './error-group.ts'

/** Which jobs, checked. What is left out does not matter. Times are ISO text; `from` counts in, `to` does not. */
export interface JobConditions {
  readonly status?: readonly JobStatus[]
  readonly jobTypes?: readonly string[]
  readonly jobIds?: readonly string[]
  /** All of them. */
  readonly tags?: readonly string[]
  readonly subject?: string
  readonly scheduleId?: string
  readonly uniqueKey?: string
  /** The concurrency key. */
  readonly lane?: string
  /** Part of the last error's message, in any case. */
  readonly errorContains?: string
  /** A group of equal errors of failed jobs, as `errorFingerprint` names it. */
  readonly fingerprint?: string
  readonly created?: TimeSpan
  readonly due?: TimeSpan
  readonly finished?: TimeSpan
}

export interface TimeSpan {
  readonly from?: string
  readonly to?: string
}

/** The parameters of a statement that is put together. */
export class Parameters {
  readonly values: unknown[] = []

  /** Adds a value; answers how the statement names it. */
  add(value: unknown, type: string): string {
    this.values.push(value)
    return `$${this.values.length}::${type}`
  }
}

/**
 * The conditions as SQL over columns of the jobs table. Statuses are written out (they are ours, no caller's text), so
 * that the planner leaves out the partition that cannot match and knows the index of failed jobs.
 */
export function whereJobs(conditions: JobConditions, parameters: Parameters): string {
  const { status, jobTypes, jobIds, tags, subject, scheduleId, uniqueKey, lane } = conditions
  const { errorContains, fingerprint } = conditions
  const parts: string[] = ['true']
  if (status) parts.push(`status in (${status.map(each => `'${each}'`).join(', ')})`)
  if (jobTypes) parts.push(`job_type collate "C" = any (${parameters.add(jobTypes, 'text[]')})`)
  if (jobIds) parts.push(`job_id = any (${parameters.add(jobIds, 'text[]')})`)
  if (tags) parts.push(`tags @> ${parameters.add(tags, 'text[]')}`)
  // The index of subjects has no entry for jobs without one.
  if (subject !== undefined)
    parts.push(`subjects is not null and subjects @> array[${parameters.add(subject, 'text')}]`)
  if (scheduleId !== undefined) parts.push(`schedule_id = ${parameters.add(scheduleId, 'text')}`)
  if (uniqueKey !== undefined) parts.push(`unique_key = ${parameters.add(uniqueKey, 'text')}`)
  if (lane !== undefined) parts.push(`lane = ${parameters.add(lane, 'text')}`)
  if (errorContains !== undefined) {
    parts.push(`position(lower(${parameters.add(errorContains, 'text')}) in lower(error_message)) > 0`)
  }
  if (fingerprint !== undefined)
    parts.push(`status = 'failed' and ${errorFingerprint()} = ${parameters.add(fingerprint, 'text')}`)
  parts.push(...within('created_at', conditions.created, parameters))
  parts.push(...within('scheduled_time', conditions.due, parameters))
  parts.push(...within('completed_at', conditions.finished, parameters))
  return parts.join(' and ')
}

function within(column: string, span: TimeSpan | undefined, parameters: Parameters): string[] {
  const parts: string[] = []
  if (span?.from !== undefined) parts.push(`${column} >= ${parameters.add(span.from, 'text')}::timestamptz`)
  if (span?.to !== undefined) parts.push(`${column} < ${parameters.add(span.to, 'text')}::timestamptz`)
  return parts
}
