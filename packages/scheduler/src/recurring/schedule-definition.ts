import type { Core } from '../core.ts'
import { BelfryError, show } from '../errors.ts'
import { checkCarried, type CarriedFields } from '../job/carried.ts'
import type { AnyJobDefinition } from '../job/definition.ts'
import type { CarriedOptions } from '../job/job-options.ts'
import { refuseUnknown, type KnownNames } from '../job/known-names.ts'
import { requirePriority, requireWhole } from '../job/whole.ts'
import { requireKey } from '../job/job-id.ts'
import { requireJobType } from '../job/job-type.ts'
import type { JobName, JobWithPayload } from '../job/job-with-payload.ts'
import { parsePayload, serializePayload } from '../job/payload.ts'
import { parseDuration, parseSpan, type Duration } from '../runtime/duration.ts'
import type { NewSchedule } from '../store/save-schedule.ts'
import type { ScheduleRow } from '../store/schedule-rows.ts'
import { requireCatchUp, type CatchUp, type StoredCatchUp } from './catch-up.ts'
import { requireChoice } from './choice.ts'
import type { DstPolicy } from './daylight-saving.ts'
import { parseRule, parseStoredRule, type Rule, type RuleInput } from './rule.ts'

/**
 * What happens to an occurrence while an earlier job of the schedule is unfinished: `allow` makes its job all the same,
 * `skip` drops it, `queue` makes its job as soon as the earlier one has ended (one at most waits, the latest), `replace`
 * cancels the earlier one (asks it to stop, if it runs) and makes the new one.
 */
export type Overlap = (typeof OVERLAPS)[number]

const OVERLAPS = ['allow', 'skip', 'queue', 'replace'] as const
const DAY_MS = 86_400_000

/** A recurring schedule: what is made, and when. Each of its jobs carries what `CarriedOptions` says. */
export type ScheduleDefinition<Job extends JobName = JobName> = JobWithPayload<Job> &
  CarriedOptions & {
    /** Yours, stable: how it is known in the database. */
    scheduleId: string
    /** Cron with 5 or 6 fields, a nickname, an interval or a recurrence rule; from when, until when, how often. */
    rule: RuleInput
    /** IANA name. Default UTC. */
    timeZone?: string
    /** Fixed times on the days on which the clocks change. Default `once`. */
    dst?: DstPolicy
    /** Occurrences missed while no process ran. Default `last`. */
    catchUp?: CatchUp
    /** While an earlier job of the schedule is unfinished. Default `allow`. */
    overlap?: Overlap
    /** Jobs start up to this much after their occurrence, each at its own fixed delay. Default 0, at most a day. */
    spread?: Duration
    /** Retries of each job. Default: the definition's, else 3. */
    maxRetries?: number
    /** Where each job stands among due jobs of its type, from -100 (last) to 100 (first). Default: the definition's. */
    priority?: number
    /** No attempt starts later than this after its job was first due. Default: the definition's, else ever. */
    expireAfter?: Duration
  }

/** Schedules, each with a payload that fits its job. */
export type ScheduleDefinitions<Jobs extends readonly JobName[]> = readonly [
  ...{ readonly [Place in keyof Jobs]: ScheduleDefinition<Jobs[Place]> },
]

/** What is stored of a definition, next occurrence and origin aside. */
export type CheckedRow = Omit<NewSchedule, 'nextOccurrence' | 'origin'>

/** A definition that can be stored. */
export interface CheckedSchedule {
  readonly row: CheckedRow
  readonly rule: Rule
  /** What its jobs are, and what they cost: whether a budget could ever pay that is known when it is stored. */
  readonly definition: AnyJobDefinition
  readonly options: Pick<ScheduleDefinition, 'cost'>
}

/** Column `rule_options`. Left out: bounds there are none of, and defaults. */
interface RuleOptions {
  readonly start?: string
  readonly end?: string
  readonly count?: number
  readonly dst?: DstPolicy
  readonly spreadMs?: number
  readonly priority?: number
  readonly expireAfterMs?: number
}

const OPTIONS: KnownNames<ScheduleDefinition> = {
  scheduleId: true,
  job: true,
  payload: true,
  rule: true,
  timeZone: true,
  dst: true,
  catchUp: true,
  overlap: true,
  spread: true,
  maxRetries: true,
  priority: true,
  expireAfter: true,
  timeout: true,
  concurrencyKey: true,
  weight: true,
  cost: true,
  subjects: true,
  tags: true,
  metadata: true,
}

/**
 * Checks a definition; what comes back can be stored.
 * @throws BelfryError naming the first fault
 */
export async function checkSchedule(core: Core, definition: ScheduleDefinition): Promise<CheckedSchedule> {
  const { registry, options } = core
  refuseUnknown(definition, OPTIONS, `schedule ${show(definition.scheduleId)}`)
  const { job, payload = {}, catchUp = 'last', overlap = 'allow', spread = 0 } = definition
  const known = typeof job === 'string' ? registry.findOrDefault(requireJobType(job)) : job
  const rule = parseRule(definition.rule, definition.timeZone, definition.dst)
  const text = serializePayload(payload, known.type, options.maxPayloadBytes)
  if (known.payload) await parsePayload(known, JSON.parse(text), known.payloadVersion)
  const spreadMs = requireSpread(spread)
  const priority = requirePriority(definition.priority, 'priority') ?? known.priority
  const expireAfterMs =
    definition.expireAfter === undefined ? known.expireAfterMs : parseSpan(definition.expireAfter, 'expireAfter')
  const ruleOptions: RuleOptions = {
    ...rule.bounds,
    ...(rule.dst !== 'once' && { dst: rule.dst }),
    ...(spreadMs > 0 && { spreadMs }),
    ...(priority !== 0 && { priority }),
    ...(expireAfterMs !== undefined && { expireAfterMs }),
  }
  const row = {
    scheduleId: requireKey(definition.scheduleId, 'scheduleId'),
    jobType: known.type,
    rule: rule.text,
    timeZone: rule.timeZone,
    ruleOptions: JSON.stringify(ruleOptions),
    payload: text,
    payloadVersion: known.payloadVersion,
    jobOptions: JSON.stringify(jobOptionsOf(definition)),
    maxRetries: requireWhole(definition.maxRetries, { name: 'maxRetries', least: 0 }) ?? known.maxRetries ?? 3,
    overlap: requireChoice(overlap, { name: 'overlap', of: OVERLAPS }),
    catchUp: JSON.stringify(requireCatchUp(catchUp)),
  }
  return { row, rule, definition: known, options: definition }
}

/** A stored schedule, read: what firing it needs. */
export interface ReadSchedule {
  readonly rule: Rule
  readonly catchUp: StoredCatchUp
  readonly overlap: Overlap
  readonly spreadMs: number
  readonly priority: number
  readonly expireAfterMs: number | undefined
  readonly carried: CarriedFields
}

/** Column `job_options`: what the schedule's jobs carry, under its options' names, defaults left out. */
export type StoredJobOptions = Readonly<Omit<CarriedOptions, 'timeout'> & { timeout?: number }>

/** @throws BelfryError as `checkCarried` does */
function jobOptionsOf(definition: ScheduleDefinition): StoredJobOptions {
  const { timeoutMs, lane, ...rest } = checkCarried(definition)
  const given = Object.entries({ timeout: timeoutMs, concurrencyKey: lane, ...rest }).filter(each => each[1] !== null)
  return Object.fromEntries(given)
}

/**
 * Reads a stored schedule, which anybody may have changed by hand.
 * @throws BelfryError as checking a definition does
 */
export function readSchedule(row: ScheduleRow): ReadSchedule {
  const options = (typeof row.rule_options === 'object' ? (row.rule_options ?? {}) : {}) as RuleOptions
  requireJobType(row.job_type)
  const { dst = 'once', spreadMs = 0, priority = 0, expireAfterMs, start, end, count } = options
  const bounds = {
    ...(start !== undefined && { start }),
    ...(end !== undefined && { end }),
    ...(count !== undefined && { count }),
  }
  return {
    rule: parseStoredRule({ text: row.rule, timeZone: row.time_zone, dst, bounds }),
    catchUp: requireCatchUp(row.catch_up),
    overlap: requireChoice(row.overlap, { name: 'overlap', of: OVERLAPS }),
    spreadMs: requireSpread(spreadMs),
    priority,
    expireAfterMs,
    carried: checkCarried(row.job_options ?? {}),
  }
}

/** Names of what applying a definition would change; none: nothing. */
export function differencesOf(stored: ScheduleRow, wanted: CheckedRow): string[] {
  const isSame = {
    jobType: stored.job_type === wanted.jobType,
    rule: stored.rule === wanted.rule,
    timeZone: stored.time_zone === wanted.timeZone,
    ruleOptions: canonical(stored.rule_options) === canonical(JSON.parse(wanted.ruleOptions)),
    jobOptions: canonical(stored.job_options) === canonical(JSON.parse(wanted.jobOptions)),
    payload: canonical(stored.payload) === canonical(JSON.parse(wanted.payload)),
    payloadVersion: stored.payload_version === wanted.payloadVersion,
    maxRetries: stored.max_retries === wanted.maxRetries,
    overlap: stored.overlap === wanted.overlap,
    catchUp: canonical(stored.catch_up) === canonical(JSON.parse(wanted.catchUp)),
  }
  return Object.entries(isSame).flatMap(([name, same]) => (same ? [] : [name]))
}

/** Whether it fires at the same instants, so that its next occurrence stays what it is. */
export function hasSameTimes(stored: ScheduleRow, wanted: CheckedRow): boolean {
  const times = (options: unknown) => {
    const { start, end, count, dst } = (options ?? {}) as RuleOptions
    return canonical({ start, end, count, dst })
  }
  return (
    stored.rule === wanted.rule &&
    stored.time_zone === wanted.timeZone &&
    times(stored.rule_options) === times(JSON.parse(wanted.ruleOptions))
  )
}

/** JSON with sorted keys: jsonb keeps no order of its own. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )
}

function requireSpread(spread: Duration): number {
  const ms = parseDuration(spread, 'spread')
  if (ms <= DAY_MS) return ms
  throw new BelfryError('BELFRY_INVALID_OPTION', `spread: expected a day at most, got ${show(spread)}`)
}
