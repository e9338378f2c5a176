import { BelfryError, show } from '../errors.ts'
import { requireKey } from '../job/job-id.ts'
import { requireJobType } from '../job/job-type.ts'
import { refuseUndefined } from '../job/known-names.ts'
import type { JobStatus } from '../job/job.ts'
import { requireTime } from '../scheduling/check-job.ts'
import type { JobConditions, TimeSpan } from '../store/job-conditions.ts'

/** A stretch of time: `from` counts in, `to` does not. Either may be left out. */
export interface TimeRange {
  readonly from?: Date
  readonly to?: Date
}

/** Which jobs. All that is given must be true of a job; what is left out does not matter. */
export interface JobFilter {
  readonly status?: JobStatus | readonly JobStatus[]
  readonly jobType?: string | readonly string[]
  readonly jobId?: string | readonly string[]
  /** All of them. */
  readonly tags?: readonly string[]
  /** Such as `user:42`. */
  readonly subject?: string
  /** The schedule that made the job. */
  readonly scheduleId?: string
  readonly uniqueKey?: string
  readonly concurrencyKey?: string
  /** Part of the last error's message, in upper or lower case. */
  readonly errorContains?: string
  /** A group of equal errors, as `deadLetters()` names it. */
  readonly fingerprint?: string
  readonly created?: TimeRange
  /** When a pending job is due, or any other was due last. */
  readonly due?: TimeRange
  readonly finished?: TimeRange
}

const STATUSES: readonly JobStatus[] = ['pending', 'running', 'completed', 'failed', 'cancelled']
/** More ids than this in one filter is a list to be cut into several calls. */
const MOST_WORDS = 1_000
const LONGEST_SEARCH = 500

type Key = keyof JobFilter

/** How each condition is checked; a name that is not here is refused, so that a typing error never widens a filter. */
const CHECKS: { readonly [K in Key]-?: (value: unknown, name: string) => Partial<JobConditions> } = {
  status: (value, name) => ({ status: wordsOf(value, name).map(requireStatus) }),
  jobType: (value, name) => ({ jobTypes: wordsOf(value, name).map(requireJobType) }),
  jobId: (value, name) => ({ jobIds: wordsOf(value, name).map(id => requireKey(id, name)) }),
  tags: (value, name) => ({ tags: wordsOf(value, name).map(tag => requireKey(tag, name)) }),
  subject: (value, name) => ({ subject: requireKey(value, name) }),
  scheduleId: (value, name) => ({ scheduleId: requireKey(value, name) }),
  uniqueKey: (value, name) => ({ uniqueKey: requireKey(value, name) }),
  concurrencyKey: (value, name) => ({ lane: requireKey(value, name) }),
  errorContains: (value, name) => ({ errorContains: requireSearch(value, name) }),
  fingerprint: (value, name) => ({ fingerprint: requireKey(value, name) }),
  created: (value, name) => ({ created: spanOf(value, name) }),
  due: (value, name) => ({ due: spanOf(value, name) }),
  finished: (value, name) => ({ finished: spanOf(value, name) }),
}

/**
 * A filter, checked.
 * @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_TIME`, `BELFRY_INVALID_JOB_ID`, `BELFRY_INVALID_JOB_TYPE`
 */
export function checkFilter(filter: JobFilter): JobConditions {
  if (typeof filter !== 'object' || filter === null || Array.isArray(filter)) {
    throw new BelfryError('BELFRY_INVALID_OPTION', `filter: expected an object, got ${show(filter)}`)
  }
  let conditions: JobConditions = {}
  for (const [name, value] of Object.entries(filter)) {
    if (!isKey(name)) {
      throw new BelfryError(
        'BELFRY_INVALID_OPTION',
        `filter: expected ${Object.keys(CHECKS).join(', ')}, got ${show(name)}`,
      )
    }
    if (value !== undefined) conditions = { ...conditions, ...CHECKS[name](value, `filter.${name}`) }
  }
  return conditions
}

/**
 * A filter for an act on many jobs, checked: an empty one is refused, since it would mean every job there is. So is a
 * condition whose value is undefined: the caller had one job in mind, or one day, and would reach all of them.
 * @throws BelfryError as `checkFilter` does
 */
export function checkActingFilter(filter: JobFilter): JobConditions {
  const conditions = checkFilter(filter)
  refuseUndefined(filter, 'filter')
  for (const name of ['created', 'due', 'finished'] as const) refuseUndefined(filter[name] ?? {}, `filter.${name}`)
  if (Object.keys(conditions).length > 0) return conditions
  throw new BelfryError(
    'BELFRY_INVALID_OPTION',
    "filter: expected at least one condition, got none. To act on every job say so: { status: ['pending', 'running'] }",
  )
}

function isKey(name: string): name is Key {
  return Object.hasOwn(CHECKS, name)
}

function wordsOf(value: unknown, name: string): string[] {
  const words: unknown[] = Array.isArray(value) ? value : [value]
  if (words.length > 0 && words.length <= MOST_WORDS) return [...new Set(words as string[])]
  throw new BelfryError(
    'BELFRY_INVALID_OPTION',
    `${name}: expected 1 to ${MOST_WORDS} of them, got ${words.length}; leave it out to ask for any`,
  )
}

function requireStatus(status: string): JobStatus {
  const known = STATUSES.find(each => each === status)
  if (known) return known
  throw new BelfryError('BELFRY_INVALID_OPTION', `filter.status: expected ${STATUSES.join(', ')}, got ${show(status)}`)
}

function requireSearch(value: unknown, name: string): string {
  if (typeof value === 'string' && value.length > 0 && value.length <= LONGEST_SEARCH && !value.includes('\0')) {
    return value
  }
  throw new BelfryError(
    'BELFRY_INVALID_OPTION',
    `${name}: expected text of 1 to ${LONGEST_SEARCH} characters, got ${show(value)}`,
  )
}

function spanOf(value: unknown, name: string): TimeSpan {
  const { from, to, ...rest } = (typeof value === 'object' && value !== null ? value : {}) as TimeRange
  const given = from !== undefined || to !== undefined
  if (!given || Object.keys(rest).length > 0) {
    throw new BelfryError('BELFRY_INVALID_OPTION', `${name}: expected { from: Date, to: Date } or one of them`)
  }
  return {
    ...(from !== undefined && { from: requireTime(from, `${name}.from`) }),
    ...(to !== undefined && { to: requireTime(to, `${name}.to`) }),
  }
}
