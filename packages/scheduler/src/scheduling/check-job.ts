import { BelfryError, show } from '../errors.ts'
import { requireStorableBackoff } from '../job/backoff.ts'
import type { AnyJobDefinition } from '../job/definition.ts'
import { refuseUnknown, type KnownNames } from '../job/known-names.ts'
import { checkCarried } from '../job/carried.ts'
import { requirePriority, requireWhole } from '../job/whole.ts'
import { requireKey } from '../job/job-id.ts'
import type { PayloadCipher } from '../job/payload-cipher.ts'
import { parsePayload, serializePayload } from '../job/payload.ts'
import { sealedAs, sealValue } from '../job/sealed-value.ts'
import { checkWindow } from '../job/delivery.ts'
import { checkUnique } from '../job/unique-options.ts'
import { parseDuration, parseSpan } from '../runtime/duration.ts'
import { isStorableInstant } from '../runtime/storable-instant.ts'
import type { NewJob } from '../store/new-job.ts'
import { checkDependencies } from './dependencies.ts'
import type { ScheduleOptions, WhenOptions } from './schedule-options.ts'

/** One scheduling call, not yet checked. */
export interface JobRequest {
  readonly definition: AnyJobDefinition
  readonly payload: unknown
  readonly options: ScheduleOptions
}

/** What the checks need of the scheduler. */
export interface CheckLimits {
  readonly now: Date
  readonly maxPayloadBytes: number
  readonly payloadCipher: PayloadCipher | undefined
  readonly newJobId: (now: Date) => string
}

/** What a scheduling call may say of a job. */
const OPTIONS: KnownNames<ScheduleOptions> = {
  scheduledTime: true,
  delay: true,
  expiresAt: true,
  expireAfter: true,
  uniqueKey: true,
  onConflict: true,
  uniqueWhile: true,
  uniqueFor: true,
  maxWait: true,
  keepTime: true,
  window: true,
  timeZone: true,
  timeout: true,
  concurrencyKey: true,
  weight: true,
  cost: true,
  subjects: true,
  tags: true,
  metadata: true,
  jobId: true,
  maxRetries: true,
  backoff: true,
  maxLost: true,
  priority: true,
  dependsOn: true,
  transaction: true,
}

/**
 * Checks a job at the door; what comes back can be stored.
 * @throws BelfryError naming the first fault
 */
export async function checkJob(request: JobRequest, limits: CheckLimits): Promise<NewJob> {
  const { definition, payload, options } = request
  const { type, payloadVersion } = definition
  refuseUnknown(options, OPTIONS, `options of a job of type ${show(type)}, beside its payload`)
  const text = serializePayload(payload, type, limits.maxPayloadBytes)
  // Checked as it will be read back, so that a Date where the schema wants a Date is found here, not at night.
  // What was passed in is stored, not what the schema made of it: a schema that transforms sees the same input twice.
  if (definition.payload) await parsePayload(definition, JSON.parse(text), payloadVersion)
  const jobId = requireKey(options.jobId === undefined ? limits.newJobId(limits.now) : options.jobId, 'jobId')
  return {
    jobId,
    jobType: type,
    payload: sealValue(limits.payloadCipher, text, sealedAs.payload(type)),
    payloadVersion,
    ...dueTime(options),
    maxRetries: requireWhole(options.maxRetries, { name: 'maxRetries', least: 0 }) ?? definition.maxRetries ?? 3,
    backoff: requireStorableBackoff(options.backoff),
    maxLost: requireWhole(options.maxLost, { name: 'maxLost', least: 1 }) ?? null,
    ...checkUnique(options, { type, payload }),
    priority: requirePriority(options.priority, 'priority') ?? definition.priority,
    ...checkCarried(options),
    delivery: checkWindow(options),
    ...expiry(request, limits.now),
    ...checkDependencies(options.dependsOn, jobId),
  }
}

/**
 * The due time: an instant, or milliseconds from now by the database's clock.
 * @throws BelfryError `BELFRY_INVALID_TIME`, `BELFRY_INVALID_DURATION`
 */
export function dueTime({ scheduledTime, delay }: WhenOptions): Pick<NewJob, 'scheduledTime' | 'delayMs'> {
  if (scheduledTime !== undefined && delay !== undefined) {
    throw new BelfryError('BELFRY_INVALID_TIME', 'scheduledTime and delay: expected one of the two, got both')
  }
  const instant = scheduledTime === undefined ? null : requireTime(scheduledTime, 'scheduledTime')
  return { scheduledTime: instant, delayMs: delay === undefined ? 0 : parseDuration(delay, 'delay') }
}

/** @throws BelfryError `BELFRY_INVALID_TIME` for anything but a Date between 1970 and 3000 */
export function requireTime(time: unknown, what: string): string {
  if (!(time instanceof Date) || !isStorableInstant(time.getTime())) {
    throw new BelfryError('BELFRY_INVALID_TIME', `${what}: expected a Date between 1970 and 3000, got ${show(time)}`)
  }
  return time.toISOString()
}

function expiry({ definition, options }: JobRequest, now: Date): Pick<NewJob, 'expiresAt' | 'expireAfterMs'> {
  const { expiresAt, expireAfter } = options
  if (expiresAt !== undefined && expireAfter !== undefined) {
    throw new BelfryError('BELFRY_INVALID_TIME', 'expiresAt and expireAfter: expected one of the two, got both')
  }
  if (expiresAt !== undefined) return { expiresAt: requireDeadline(expiresAt, options, now) }
  if (expireAfter !== undefined) return { expireAfterMs: parseSpan(expireAfter, 'expireAfter') }
  return { expireAfterMs: definition.expireAfterMs ?? null }
}

/** One that has passed is none of the call's making: such a job ends as expired. One before the due time it asks for is. */
function requireDeadline(expiresAt: Date, options: WhenOptions, now: Date): string {
  const deadline = requireTime(expiresAt, 'expiresAt')
  const { scheduledTime, delayMs } = dueTime(options)
  const due = scheduledTime ?? new Date(now.getTime() + delayMs).toISOString()
  if (deadline > due || (scheduledTime === null && delayMs === 0)) return deadline
  throw new BelfryError('BELFRY_INVALID_TIME', `expiresAt: expected after the job is due, at ${due}, got ${deadline}`)
}
