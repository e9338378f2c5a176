import { createHash } from 'node:crypto'
import { quoteIdentifier, quoteLiteral } from '../database/identifier.ts'

/** The quoted names of everything the library keeps in the database. */
export interface Tables {
  /** The schema, quoted. */
  readonly schema: string
  /** The schema, as it is. */
  readonly schemaName: string
  /** Every job, whatever its status: what people and reports read. */
  readonly jobs: string
  /** Its partition of pending and running jobs: the only table the hot path touches. */
  readonly live: string
  /** Its partition of completed, failed and cancelled jobs. */
  readonly finished: string
  /** Every attempt: what people and reports read. A view. */
  readonly history: string
  /** Attempts that did not finish their job; the last one is part of the finished job's row. */
  readonly attempts: string
  /** Sequence of `execution_id`. */
  readonly executions: string
  /** Expression for the next `execution_id`. */
  readonly nextExecution: string
  readonly schedules: string
  /** Flow state of governed types and of their keys. */
  readonly lanes: string
  readonly pauses: string
  readonly runners: string
  readonly migrations: string
  /** NOTIFY channel, as it is. */
  readonly channel: string
  /** NOTIFY channel of events for watchers. */
  readonly eventChannel: string
}

/** @throws BelfryError `BELFRY_INVALID_OPTION` when the schema's name cannot be one */
export function tablesIn(schemaName: string): Tables {
  const schema = quoteIdentifier(schemaName, 'schema')
  return Object.freeze({
    schema,
    schemaName,
    jobs: `${schema}.scheduled_jobs`,
    live: `${schema}.scheduled_jobs_live`,
    finished: `${schema}.scheduled_jobs_finished`,
    history: `${schema}.job_execution_history`,
    attempts: `${schema}.job_attempts`,
    executions: `${schema}.belfry_executions`,
    nextExecution: `nextval(${quoteLiteral(`${schema}.belfry_executions`)}::regclass)`,
    schedules: `${schema}.belfry_schedules`,
    lanes: `${schema}.belfry_lanes`,
    pauses: `${schema}.belfry_pauses`,
    runners: `${schema}.belfry_runners`,
    migrations: `${schema}.belfry_migrations`,
    channel: channelOf(schemaName),
    eventChannel: `${channelOf(schemaName)}_events`,
  })
}

/**
 * The NOTIFY channel of a schema: lower case letters, digits and underscores only, since drivers differ in how they quote
 * channel names, and at most 63 bytes.
 */
function channelOf(schemaName: string): string {
  const plain = /^[a-z0-9_]{1,40}$/.test(schemaName)
  return `belfry_${plain ? schemaName : createHash('sha256').update(schemaName).digest('hex').slice(0, 32)}`
}

/**
 * The columns that move with a job from the live to the finished partition, `status` and outcome aside. `awaited` leads:
 * settling asks each row for it once more, and what stands first is found at once.
 */
export const KEPT_COLUMNS =
  'awaited, job_id, job_type, scheduled_time, payload, created_at, retry_count, max_retries, started_at, attempt, ' +
  'lost_count, snooze_count, unique_key, payload_version, timeout_ms, schedule_id, occurrence, runner_id, progress, ' +
  'priority, lane, expires_at, subjects, tags, metadata, options'

/**
 * Of those, what an ordinary job (`ORDINARY`, one claim, no option set) has beside defaults and nulls; and whether it is
 * awaited, which may be asked for at any time.
 */
export const ORDINARY_COLUMNS =
  'awaited, job_id, job_type, scheduled_time, payload, created_at, started_at, attempt, runner_id'
