import { BelfryError, show } from '../errors.ts'
import type { SchedulerEventName, SchedulerEvents } from '../events.ts'
import { defineJob, type JobDefinition } from '../job/definition.ts'
import { recordError } from '../job/error-record.ts'
import { requireOptions } from '../job/known-names.ts'
import { systemClock, type Clock } from '../runtime/clock.ts'
import { parseDuration, type Duration } from '../runtime/duration.ts'
import type { Logger } from '../runtime/logger.ts'
import { silentLogger } from '../runtime/logger.ts'
import { deliver, type FailureReport, type WebhookEvent } from './delivery.ts'

/** The type of the jobs that deliver webhooks. */
export const WEBHOOK_JOB_TYPE = 'belfry_webhook'

/** Where reports of failed jobs go, and how they are signed. */
export interface FailureWebhookOptions {
  /** Where reports are posted: https, or http on this machine. */
  url: string | URL
  /** Signs every report; 16 characters or more, known to the receiver alone. */
  secret: string
  /** Default: both. */
  events?: readonly WebhookEvent[]
  /** Adds data of your own as `data`, JSON; it is stored with the delivery job. Default: nothing, least of all a payload. */
  describe?: (failed: FailureReport) => unknown
  /** Allows http to other machines, where everybody on the way can read along. Default false. */
  allowHttp?: boolean
  /** Longest wait for an answer. Default 10 s. */
  timeout?: Duration
  /** Default: Node's own. */
  fetch?: typeof fetch
  /** Default: real time. */
  clock?: Clock
  /** Told when a report could not be scheduled. Default: silent. */
  logger?: Logger
}

/** What webhooks need of a scheduler. */
export interface WebhookScheduler {
  on<Name extends SchedulerEventName>(name: Name, listener: (event: SchedulerEvents[Name]) => void): () => void
  scheduleJob(job: JobDefinition<FailureReport>, payload: FailureReport): Promise<unknown>
}

/** What to give to a scheduler so that failures are reported. */
export interface FailureWebhooks {
  /** For the scheduler's `jobs`: delivers reports, with retries of its own. */
  readonly job: JobDefinition<FailureReport>
  /** Schedules a report for each job that fails for good in this process; the answer stops it. */
  listen(scheduler: WebhookScheduler): () => void
}

const EVENTS: readonly WebhookEvent[] = ['job.failed', 'job.lost']
const SHORTEST_SECRET = 16

/**
 * Tells an HTTP endpoint when a job has failed for good. Reports are jobs themselves: stored, retried, and seen in the
 * history. The failure of a report is never reported.
 * @throws BelfryError `BELFRY_INVALID_OPTION`, `BELFRY_INVALID_DURATION`
 */
export function failureWebhooks(options: FailureWebhookOptions): FailureWebhooks {
  requireOptions(options, 'failureWebhooks')
  const url = requireUrl(options.url, options.allowHttp ?? false)
  const secret = requireSecret(options.secret)
  const events = requireEvents(options.events ?? EVENTS)
  const timeoutMs = parseDuration(options.timeout ?? '10s', 'timeout')
  const clock = options.clock ?? systemClock
  const delivery = { url, secret, timeoutMs, clock, fetch: options.fetch ?? fetch }
  const job = defineJob<FailureReport>({
    type: WEBHOOK_JOB_TYPE,
    handler: (report, context) => deliver(delivery, report, context),
    // About six hours in all: 30 s, 1 min, 2 min … an hour between the last ones.
    maxRetries: 12,
    backoff: { initial: '30s', max: '1h' },
    timeout: timeoutMs + SPARE_MS,
  })
  return Object.freeze({
    job,
    listen: (scheduler: WebhookScheduler) => listen(scheduler, { job, events, options, clock }),
  })
}

/** What a delivery may take beside waiting for its answer. */
const SPARE_MS = 10_000

interface Listening {
  readonly job: JobDefinition<FailureReport>
  readonly events: readonly WebhookEvent[]
  readonly options: Pick<FailureWebhookOptions, 'describe' | 'logger'>
  readonly clock: Clock
}

function listen(scheduler: WebhookScheduler, { job, events, options, clock }: Listening): () => void {
  const { describe, logger = silentLogger } = options
  const complain = (failed: FailureReport, error: unknown, message: string) =>
    logger.error({ event: 'webhook_fault', job_id: failed.job.id, error: recordError(error).message }, message)
  const report = async (failed: FailureReport): Promise<void> => {
    if (!events.includes(failed.event) || failed.job.type === WEBHOOK_JOB_TYPE) return
    if (describe) {
      try {
        await scheduler.scheduleJob(job, { ...failed, data: await describe(failed) })
        return
      } catch (error) {
        complain(failed, error, 'a failure could not be reported with its description; reporting it without')
      }
    }
    await scheduler
      .scheduleJob(job, failed)
      .catch((error: unknown) => complain(failed, error, 'a failure could not be reported'))
  }
  const occurredAt = () => clock.now().toISOString()
  const stopListening = [
    scheduler.on('job:settled', ({ jobId: id, jobType: type, attempt, outcome, willRetry, error }) => {
      if (outcome !== 'failed' || willRetry) return
      const { code, message } = recordError(error)
      void report({
        event: 'job.failed',
        occurredAt: occurredAt(),
        job: { id, type, attempt },
        error: { code, message },
      })
    }),
    scheduler.on('job:rescued', ({ jobId: id, jobType: type, gaveUp }) => {
      if (!gaveUp) return
      void report({ event: 'job.lost', occurredAt: occurredAt(), job: { id, type, attempt: null }, error: null })
    }),
  ]
  return () => stopListening.forEach(stop => stop())
}

function requireUrl(given: unknown, allowHttp: boolean): URL {
  const url = URL.canParse(String(given)) ? new URL(String(given)) : null
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    throw new BelfryError('BELFRY_INVALID_OPTION', 'url: expected an address such as https://hooks.example.com/belfry')
  }
  if (url.username !== '' || url.password !== '') {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `url: expected no user or password in it (${url.host}); receivers check the signature`,
    )
  }
  if (url.protocol === 'http:' && !allowHttp && !isLoopback(url.hostname)) {
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `url: expected https, got http to ${url.host}, where everybody on the way reads along; allowHttp: true permits it`,
    )
  }
  return url
}

/** By name and number, as `new URL` writes them: it brings every spelling of an IPv4 address into four decimals. */
function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    /^127\.\d+\.\d+\.\d+$/.test(hostname)
  )
}

function requireSecret(secret: unknown): string {
  if (typeof secret !== 'string' || secret.length < SHORTEST_SECRET) {
    const got = typeof secret === 'string' ? `${secret.length}` : typeof secret
    throw new BelfryError(
      'BELFRY_INVALID_OPTION',
      `secret: expected ${SHORTEST_SECRET} characters or more (openssl rand -hex 32), got ${got}`,
    )
  }
  return secret
}

function requireEvents(events: readonly WebhookEvent[]): readonly WebhookEvent[] {
  const wrong = events.find(each => !EVENTS.includes(each))
  if (events.length === 0 || wrong !== undefined) {
    throw new BelfryError('BELFRY_INVALID_OPTION', `events: expected some of ${EVENTS.join(', ')}, got ${show(events)}`)
  }
  return events
}
