import { EventHub } from './events.ts'
import { describeSkew } from './runtime/clock-skew.ts'
import { silentLogger, type LogFields, type Logger } from './runtime/logger.ts'

/** A scheduler's events. Nobody reads what a silent logger is told: then no event needs to be made for it. */
export function eventsOf(logger: Logger): EventHub {
  const events = new EventHub(listenerFaults(logger))
  if (logger === silentLogger) return events
  logEvents(events, logger)
  logSchedules(events, logger)
  logTroubles(events, logger)
  return events
}

/** Writes what happens to jobs to the logger: one event, one line, stable `event` names. */
function logEvents(events: EventHub, logger: Logger): void {
  events.on('job:scheduled', ({ jobId, jobType, conflict }) =>
    logger.debug({ event: 'job_scheduled', job_id: jobId, job_type: jobType, conflict }, 'job scheduled'),
  )
  events.on('job:settled', ({ jobId, jobType, attempt, outcome, durationMs, willRetry, error }) => {
    const fields = {
      event: 'job_settled',
      job_id: jobId,
      job_type: jobType,
      attempt,
      outcome,
      duration_ms: Math.round(durationMs),
      ...(outcome === 'failed' && { will_retry: willRetry, ...errorFields(error) }),
    }
    if (outcome !== 'failed') logger.info(fields, `job ${outcome}`)
    else if (willRetry) logger.warn(fields, 'job failed, will retry')
    else logger.error(fields, 'job failed for good')
  })
  events.on('job:lease-lost', ({ jobId, jobType, attempt }) =>
    logger.warn({ event: 'job_lease_lost', job_id: jobId, job_type: jobType, attempt }, 'lease lost, outcome refused'),
  )
  events.on('job:overrun', ({ jobId, jobType, attempt, timeoutMs, running }) =>
    logger.warn(
      { event: 'handler_overrun', job_id: jobId, job_type: jobType, attempt, timeout_ms: timeoutMs, running },
      'handler still runs after its timeout; make it obey its signal',
    ),
  )
  events.on('job:rescued', ({ jobId, jobType, gaveUp }) =>
    logger.warn(
      { event: 'job_rescued', job_id: jobId, job_type: jobType, gave_up: gaveUp },
      'job taken back from a dead runner',
    ),
  )
  events.on('breaker:opened', ({ jobType, until }) =>
    logger.warn(
      { event: 'breaker_opened', job_type: jobType, until: until.toISOString() },
      'too many failures: resting',
    ),
  )
  events.on('breaker:closed', ({ jobType }) =>
    logger.info({ event: 'breaker_closed', job_type: jobType }, 'a job completed: going on'),
  )
}

/** What ails the process or its way to the database. */
function logTroubles(events: EventHub, logger: Logger): void {
  events.on('database:error', ({ during, error }) =>
    logger.error(
      { event: 'database_error', during, ...errorFields(error) },
      `database error during ${during}; trying again`,
    ),
  )
  events.on('hints:unheard', ({ error, pollIntervalMs }) =>
    logger.warn(
      { event: 'hints_unheard', poll_interval_ms: pollIntervalMs, ...errorFields(error) },
      `hints do not arrive: jobs of other processes are found every ${pollIntervalMs} ms by polling`,
    ),
  )
  events.on('hints:heard', () => logger.info({ event: 'hints_heard' }, 'hints arrive again'))
  events.on('pool:exhausted', ({ size, waiting, waitedMs }) =>
    logger.warn(
      { event: 'pool_exhausted', size, waiting, waited_ms: waitedMs },
      `all ${size} connections of the pool are taken, ${waiting} calls wait, one for ${waitedMs} ms: leases may be lost; ` +
        "raise the pool's max, or find who keeps connections",
    ),
  )
  events.on('clock:skewed', skew =>
    logger.warn(
      { event: 'clock_skewed', skew_ms: Math.round(skew.skewMs), error_ms: Math.round(skew.errorMs) },
      `this process's clock is ${describeSkew(skew)} the database's: dueness, leases and schedules go by the database's, ` +
        'times that your code makes and log lines do not; set the clock right',
    ),
  )
  events.on('runner:revived', ({ runnerId }) =>
    logger.warn({ event: 'runner_revived', runner_id: runnerId }, 'this runner was declared dead and entered anew'),
  )
}

function logSchedules(events: EventHub, logger: Logger): void {
  events.on('schedule:fired', ({ scheduleId, occurrence, jobId }) =>
    logger.info(
      { event: 'schedule_fired', schedule_id: scheduleId, occurrence: occurrence.toISOString(), job_id: jobId },
      jobId === null ? 'occurrence skipped' : 'occurrence became a job',
    ),
  )
  events.on('schedules:applied', ({ added, changed, removed, unchanged }) =>
    logger.info(
      { event: 'schedules_applied', added, changed, removed, unchanged },
      `schedules: ${added.length} added, ${changed.length} changed, ${removed.length} removed, ` +
        `${unchanged.length} unchanged`,
    ),
  )
}

/** Tells a logger of listeners that threw. */
function listenerFaults(logger: Logger): (error: unknown) => void {
  return error =>
    logger.error(
      { event: 'listener_fault', error: error instanceof Error ? error.message : String(error) },
      'a listener threw',
    )
}

function errorFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: String(error) }
  return { error: error.message, ...('code' in error && { error_code: error.code }) }
}
